"""The endpoints: one module a family of routes, each route one function from a `Call` to a `Reply`.

They know parameters of paths and queries, and which words of HTTP say what the engine and the store answer.
"""
