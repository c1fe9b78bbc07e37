"""Upstreams: which of them serve a model, their order, and how a request is sent to one."""
