"""The stores that need only the standard library: one in memory, one in a SQLite file.

Each implements `penstock.ports.Store`, independently of the other. `penstock.assembly` chooses one by its URL.
"""
