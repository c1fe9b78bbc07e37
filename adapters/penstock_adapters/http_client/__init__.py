"""The built-in transport: an HTTP/1.1 client on httptools, with a pool of connections for each upstream.

It moves bytes and knows HTTP's framing; it never reads bodies. Every failure of the network is a `TransportError`.
It needs neither aiohttp nor `http.client`, and supports no HTTP proxies.
"""

from .transport import HttpTransport as HttpTransport
