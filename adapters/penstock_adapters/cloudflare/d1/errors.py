"""The errors of D1: clients get an error of an unavailable store, and the operator's log gets D1's words.

An error that shows a fault of this code stays an exception.
"""

from __future__ import annotations

import logging

from penstock.errors import ApiError

_log = logging.getLogger("penstock.cloudflare")

_RETRY_AFTER_S = 1.0
_TOO_LARGE = ("too big", "SQLITE_TOOBIG")
_FAULTS = ("SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_RANGE", "D1_TYPE_ERROR")
"""Codes of SQLite, and one of D1, for statements that are wrong."""
_NO_TABLE = "no such table"


def translated(message: str) -> Exception:
    """The exception for a failure of D1."""
    if any(sign in message for sign in _TOO_LARGE):
        return _too_large()
    if _NO_TABLE in message or not any(sign in message for sign in _FAULTS):
        _log.error("D1 failed: %s", message)
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


def _too_large() -> ApiError:
    message = "An item is larger than the 2,000,000 bytes that D1 stores in a row: send it with `store: false`."
    return ApiError(message, status=413, code="request_too_large")
