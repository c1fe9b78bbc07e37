"""The guard: what a request costs, counted without a clock, and held to the bounds of a file.

`inprocess` is Penstock without a server, `counts` counts in it, `callbacks` counts in a real server, `bounds` reads
`bounds.toml` and judges. Only this package of the bench imports Penstock.
"""
