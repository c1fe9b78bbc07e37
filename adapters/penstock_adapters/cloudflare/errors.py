"""The errors of D1 and KV: clients get an error of an unavailable store, and the operator's log gets their words.

An error that shows a fault of this code stays an exception.
"""

from __future__ import annotations

import logging

from penstock.errors import ApiError

_log = logging.getLogger("penstock.cloudflare")

_RETRY_AFTER_S = 1.0
_TOO_LARGE = {
    "too big": "2,000,000 bytes that D1 stores in a row",
    "SQLITE_TOOBIG": "2,000,000 bytes that D1 stores in a row",
    "413": "25 MiB that KV stores in a value",
    "exceeds limit": "25 MiB that KV stores in a value",
}
"""Parts of messages, and the limit that was reached."""
_FAULTS = ("SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_RANGE", "D1_TYPE_ERROR")
"""Codes of SQLite, and one of D1, for statements that are wrong."""
_NO_TABLE = "no such table"


def translated(message: str) -> Exception:
    """The exception for a failure of D1 or KV."""
    for sign, limit in _TOO_LARGE.items():
        if sign in message:
            return _too_large(limit)
    if _NO_TABLE in message or not any(sign in message for sign in _FAULTS):
        _log.error("the store failed: %s", message)
        return _unavailable()
    return RuntimeError(f"D1 refuses a statement: {message}")


def _unavailable() -> ApiError:
    return ApiError(
        "The server's store of responses is not available.",
        status=503,
        type="server_error",
        code="server_error",
        retry_after_s=_RETRY_AFTER_S,
    )


def _too_large(limit: str) -> ApiError:
    message = f"An item or response is larger than the {limit}: send the request with `store: false`."
    return ApiError(message, status=413, code="request_too_large")
