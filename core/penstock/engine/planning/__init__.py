"""Step 3: the plan of a run: the upstream, the tools, and the initial Response."""
