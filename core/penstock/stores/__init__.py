"""The stores that need nothing but the standard library: one in memory, one in a SQLite file.

Each implements `penstock.ports.Store` and knows nothing of the other; `penstock.assembly` chooses by URL.
"""
