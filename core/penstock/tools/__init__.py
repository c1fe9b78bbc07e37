"""The hosted tools of the core, one family each, and without knowledge of the others.

A family knows the items, the functions and the rules of its tools. Its driver, which does the I/O, is behind a port.
"""
