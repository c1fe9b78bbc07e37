"""Origins: which pages of other sites may read replies in a browser (CORS, of the Fetch standard).

It knows the headers of a reply and of a preflight. `penstock.access` decides who has access.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.errors import ApiError
from penstock.patterns import lazy_pattern
from penstock.ports import Headers

ANY = "*"
_EXPOSED = (
    "x-request-id, x-penstock-ignored, x-should-retry, retry-after, retry-after-ms, openai-processing-ms, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
"""The headers that a page may read, beside the few headers that it may always read."""
_MAX_AGE_S = 7_200
"""How long a browser may cache the answer to a preflight. Chrome allows no longer time."""
_NAMES = lazy_pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
"""A list of header names."""
_NAMES_DEFAULT = "authorization, content-type"


class Origins:
    """The allowed origins, such as `https://chat.example.com`. `*` allows all origins."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def __bool__(self) -> bool:
        """Whether any origin is allowed."""
        return bool(self._allowed)

    def allow(self, origin: str) -> bool:
        """Whether pages of this origin may read replies."""
        return ANY in self._allowed or origin in self._allowed

    def headers(self, request: Mapping[str, str]) -> Headers:
        """The CORS headers of the reply to a request."""
        if not self._allowed:
            return []
        if ANY in self._allowed:
            return [("access-control-allow-origin", ANY), ("access-control-expose-headers", _EXPOSED)]
        origin = request.get("origin", "")
        if origin not in self._allowed:
            return [("vary", "origin")]
        return [
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", _EXPOSED),
            ("vary", "origin"),
        ]

    def preflight(self, request: Mapping[str, str], methods: str) -> Headers:
        """The CORS headers of the answer to a preflight. Raises `ApiError` 403."""
        if "origin" not in request or "access-control-request-method" not in request:
            return []
        if not self.allow(request["origin"]):
            message = "Pages of this 'Origin' may not use this server: add it to allowed_origins."
            raise ApiError(message, status=403, code="forbidden_origin")
        names = request.get("access-control-request-headers", "")
        return [
            ("access-control-allow-methods", methods),
            ("access-control-allow-headers", names if _NAMES.fullmatch(names) else _NAMES_DEFAULT),
            ("access-control-max-age", str(_MAX_AGE_S)),
        ]


NO_ORIGINS = Origins()
"""No page of another site may read replies."""
