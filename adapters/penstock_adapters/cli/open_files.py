"""The system's limit of open files: raised as far as the settings need and the system lets, and said where it is low.

A connection is an open file. It knows the settings that bound connections, and nothing of who makes them.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from penstock.settings import Settings

_log = logging.getLogger("penstock.serving")

_OTHERS = 200
"""Files that are no connections: of the store, the log, the listeners and the interpreter."""


def allow_open_files(settings: Settings) -> None:
    """Let each process of the server have as many connections as the settings allow; it warns where it cannot."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_wanted(settings)
    unlimited = resource.RLIM_INFINITY
    allowed = wanted if hard == unlimited else min(wanted, hard)
    # spec: open-files
    if soft != unlimited and soft < allowed:
        with suppress(OSError, ValueError):  # macOS has another limit, which nobody can ask for
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
    # spec: open-files
    if soft != unlimited and soft < wanted:
        _log.warning(
            "the system allows %d open files, and the settings want %d: raise it by `ulimit -n`, "
            "or lower limits.connections_max",
            soft,
            wanted,
        )


def files_wanted(settings: Settings) -> int:
    """The connections of clients, one to an upstream for each as far as the limits allow, and what else is open."""
    limits = settings.limits
    upstream = limits.upstream_connections_max * len(settings.upstreams)
    return limits.connections_max + min(limits.connections_max, upstream) + _OTHERS
