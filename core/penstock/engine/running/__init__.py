"""Step 4: running: the deadlines and the end of one response, and what of it is stored."""
