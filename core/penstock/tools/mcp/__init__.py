"""The tools of MCP servers. The driver, behind the port of `client`, is an adapter.

`family` is the `HostedTool`. The rest is pure, but for waiting: declarations, filters, approvals, lists and replies.
"""
