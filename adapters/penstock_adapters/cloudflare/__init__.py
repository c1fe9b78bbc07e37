"""The Cloudflare adapter: the API as a Python Worker.

`entry_point` has the class that a Worker exports. `worker` answers requests, `settings` reads variables, and
`fetch_transport` calls upstreams. It runs in Pyodide only, with the package `workers-runtime-sdk`.
"""
