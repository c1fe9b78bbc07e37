"""HTTP/1.1 by uvicorn over httptools, with a bound on everything that a client can make the server store or wait for.

httptools parses heads, one at a time; `bodies` finds the end of a body; the bytes after it wait in the socket.
The service answers each request itself, with no ASGI message between. The package does not know what is requested.
"""

from .connection import http_protocol

__all__ = ["http_protocol"]
