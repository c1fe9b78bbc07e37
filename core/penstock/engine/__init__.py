"""The path of a request: decode, resolve, plan, run. Each step is a folder.

It may use asyncio and the ports; it knows no HTTP server, no HTTP client and no database.
"""

from __future__ import annotations

from .background.dispatched import perform
from .background.follow import Follower
from .context.resolve import Context, resolve
from .context.token_count import count_input
from .engine import Engine, Prepared
from .hosted_tools.registry import HostedTools
from .planning.plan import Plan, make_plan
from .planning.policies import Policies
from .request.chat_parts import read_chat_parts
from .request.decode import Decoded, decode
from .running.connection_cache import ConnectionCache, ConnectionCaches
from .running.persistence import stored_input
from .running.run import Run, View
from .upstreams.catalog import Catalog, UpstreamReport
from .upstreams.inlining import InliningUpstream
from .upstreams.local import LocalUpstream
from .upstreams.remote import RemoteUpstream
from .upstreams.routes import Route, Routes
from .upstreams.synthetic.header import HEADER as SYNTHETIC_HEADER

__all__ = [
    "SYNTHETIC_HEADER",
    "Catalog",
    "ConnectionCache",
    "ConnectionCaches",
    "Context",
    "Decoded",
    "Engine",
    "Follower",
    "HostedTools",
    "InliningUpstream",
    "LocalUpstream",
    "Plan",
    "Policies",
    "Prepared",
    "RemoteUpstream",
    "Route",
    "Routes",
    "Run",
    "UpstreamReport",
    "View",
    "count_input",
    "decode",
    "make_plan",
    "perform",
    "read_chat_parts",
    "resolve",
    "stored_input",
]
