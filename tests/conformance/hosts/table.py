"""The table of hosts: one line each. A new host is a class, and a line here."""

from __future__ import annotations

from conformance.hosts.kit import Host
from conformance.hosts.web import (
    Azure,
    AzureWithoutPrefix,
    Bare,
    Google,
    Granian,
    Hypercorn,
    LifespanPerRequest,
    Ours,
    Uvicorn,
    Vercel,
)

HOSTS: dict[str, type[Host]] = {
    host.name: host
    for host in (
        Ours,
        Uvicorn,
        Granian,
        Hypercorn,
        Bare,
        LifespanPerRequest,
        Google,
        Vercel,
        Azure,
        AzureWithoutPrefix,
    )
}
