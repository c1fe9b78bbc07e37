"""Adapters and drivers: each module connects the core to one thing outside of it."""
