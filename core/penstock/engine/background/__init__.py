"""Responses that run without a client: leases, the log of their events, and streams that follow it."""
