"""Locust users of a Responses API server: `ResponsesUser` is the base class for locustfiles.

`pip install 'penstock[locust]'` installs it. Its methods send requests, check the replies, and add figures to locust's
statistics: the time to the first token, the latency between tokens, and the events a second of each stream. They work
with any server of the Responses API. Locust is imported with `ResponsesUser` and not before, since it replaces Python's
sockets by gevent's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock_adapters.locust_users.users import ResponsesUser

__all__ = ["ResponsesUser"]


def __getattr__(name: str) -> Any:
    """`ResponsesUser`, at its first use."""
    if name != "ResponsesUser":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from penstock_adapters.locust_users.users import ResponsesUser

    return ResponsesUser
