"""The path of a request: decode, resolve, plan, run. Each step is one module and one function or class.

It may use asyncio and the ports; it knows no HTTP server, no HTTP client and no engine of a store.
"""

from __future__ import annotations

from .catalog import Catalog, Said
from .chat_parts import read_chat_parts
from .counting import count_input
from .decode import Decoded, decode
from .engine import Engine, Prepared
from .follow import Follower
from .keep import stored_input
from .local import LocalUpstream
from .plan import Plan, Policies, make_plan
from .recent import Recent, Recents
from .resolve import Context, resolve
from .routes import Route, Routes
from .run import Run, View
from .upstream import RemoteUpstream

__all__ = [
    "Catalog",
    "Context",
    "Decoded",
    "Engine",
    "Follower",
    "LocalUpstream",
    "Plan",
    "Policies",
    "Prepared",
    "Recent",
    "Recents",
    "RemoteUpstream",
    "Route",
    "Routes",
    "Run",
    "Said",
    "View",
    "count_input",
    "decode",
    "make_plan",
    "read_chat_parts",
    "resolve",
    "stored_input",
]
