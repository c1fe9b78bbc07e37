"""The table of hosts: one line each. A new host is a class, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from conformance.hosts.aws import ConcurrentRuntime, Handler, RecordedRuntime, Runtime
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
from conformance.hosts.workers import Worker

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
        Handler,
        Runtime,
        ConcurrentRuntime,
        RecordedRuntime,
        Worker,
    )
}


def names(has: Callable[[type[Host]], bool]) -> list[str]:
    """The hosts that have a property, for tests that are about it."""
    return [name for name, host in HOSTS.items() if has(host)]
