"""The hosted tools of the core, one family each, and without knowledge of the others."""
