"""Origins: which pages of other sites may read replies in a browser (CORS, as the Fetch standard has it).

It knows the headers of a reply and of a preflight. Who may ask at all is decided elsewhere, by keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from penstock.errors import ApiError
from penstock.ports import Headers

ANY = "*"
_EXPOSED = (
    "x-request-id, x-penstock-ignored, x-should-retry, retry-after, retry-after-ms, openai-processing-ms, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
"""What a page may read beside the few headers that it always may."""
_MAX_AGE_S = 7_200
"""How long a browser may remember a preflight; Chrome takes no longer time."""
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
"""A list of header names."""
_NAMES_DEFAULT = "authorization, content-type"


class Origins:
    """The origins that are allowed, such as `https://chat.example.com`; `*` allows all of them."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._allowed)

    def allow(self, origin: str) -> bool:
        """Whether pages of this origin may read replies."""
        return ANY in self._allowed or origin in self._allowed

    def headers(self, request: Mapping[str, str]) -> Headers:
        """What a reply to this request says of who may read it."""
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
        """What a browser is answered that asks before it sends a request. Raises `ApiError` 403."""
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
"""No page of another site may read anything."""
