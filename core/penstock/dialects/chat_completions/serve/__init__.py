"""The other direction of the dialect: it serves Chat Completions to clients.

`requests` has the bodies of clients, `turns` makes turns of them, with `messages` and `inputs`; `chunks` writes the
deltas of the turns as a stream, and `whole` as one reply. All of it is pure. The built-in model uses it, so that it can
stand in for an upstream of any gateway.
"""
