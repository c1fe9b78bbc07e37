"""The endpoints: one module for each family of routes. Each route is a function from a `RequestContext` to a `Reply`.

They know the parameters of paths and queries, and the status and headers for each result of the engine and the store.
"""
