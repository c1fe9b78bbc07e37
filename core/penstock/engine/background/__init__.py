"""Background responses: leases, the log of their events, and streams that follow it."""
