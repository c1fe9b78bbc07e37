"""Replies to requests with a method or a protocol that their path does not have."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import ApiError
from penstock.http import Reply, Request, error_reply


def allowed_methods(endpoints: Iterable[str]) -> str:
    """The methods of a path. `HEAD` is allowed where `GET` is, and `OPTIONS` everywhere."""
    return ", ".join([*endpoints, *(["HEAD"] if "GET" in endpoints else []), "OPTIONS"])


def method_not_allowed(request: Request, allowed: str) -> Reply:
    """Status 405, with the methods that the path has."""
    message = f"Not allowed to {request.method} on {request.path}; allowed: {allowed}."
    reply = error_reply(ApiError(message, status=405, code="method_not_allowed"))
    reply.headers.append(("allow", allowed))
    return reply


def upgrade_required() -> Reply:
    """Status 426, after which agents that try WebSocket first fall back to HTTP."""
    return error_reply(ApiError("WebSocket is not served here; use HTTP.", status=426, code="upgrade_required"))
