"""HTTP/1.1 by uvicorn over httptools, with a bound on whatever a client can make the server hold or wait for.

httptools reads heads, one at a time; where a body ends, `bodies` knows; what comes after it waits in the socket.
Nothing of it knows what is asked.
"""

from .connection import http_protocol

__all__ = ["http_protocol"]
