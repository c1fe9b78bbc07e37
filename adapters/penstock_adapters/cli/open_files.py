"""The system's limit of open files: raised as far as the settings need and the system allows, with a warning if low.

A connection is an open file. It knows the settings that bound connections.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from penstock.settings import Settings

_log = logging.getLogger("penstock.serving")

_OTHERS = 200
"""The files besides connections: of the store, the log, the listeners and the interpreter."""


def allow_open_files(settings: Settings) -> None:
    """Allow each process of the server the connections of its settings; a warning if the system does not."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_needed(settings)
    unlimited = resource.RLIM_INFINITY
    allowed = wanted if hard == unlimited else min(wanted, hard)
    # spec: open-files
    if soft != unlimited and soft < allowed:
        with suppress(OSError, ValueError):  # macOS has another limit, which cannot be read
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
    # spec: open-files
    if soft != unlimited and soft < wanted:
        _log.warning(
            "the system allows %d open files, and the settings need %d: raise it by `ulimit -n`, "
            "or lower limits.connections_max",
            soft,
            wanted,
        )


def files_needed(settings: Settings) -> int:
    """The connections of clients, one upstream connection for each within the limits, and the other files."""
    limits = settings.limits
    upstream = limits.upstream_connections_max * len(settings.upstreams)
    return limits.connections_max + min(limits.connections_max, upstream) + _OTHERS
