"""Step 4: one response while it is made: its deadlines, its end, and what of it is stored."""
