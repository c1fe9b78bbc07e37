"""The context of a request, for its endpoint: its caller, the ids of its path, its query and its body.

It knows how parameters are read and validated. It never loads the object of an id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar, get_args
from urllib.parse import parse_qs

import msgspec

from penstock.engine import SYNTHETIC_HEADER
from penstock.engine.offload import offload
from penstock.engine.request.request_body import no_sizes, read_body
from penstock.engine.running.request_deadline import RequestDeadline
from penstock.errors import invalid, quoted
from penstock.http import Request
from penstock.limits import Limits
from penstock.secrets import Secret
from penstock.wire import Include

T = TypeVar("T", bound=msgspec.Struct)

_PAGE_LIMIT = 20
_DIGITS_MAX = 18
"""A number of so many digits fits into 64 bits."""
PAGE_LIMIT_MAX = 100
_FALSE = frozenset({"", "0", "false", "no", "off"})


class RequestContext(msgspec.Struct, kw_only=True):
    """A request and its caller. `owner` owns all rows that it may use. `key` is the caller's bearer token."""

    http: Request
    owner: str
    key: Secret | None
    ids: list[str]
    """The ids in the path, in order."""
    limits: Limits
    body: Callable[[], Awaitable[bytes]]
    """Reads and decompresses the body. It may be called once. Raises `ApiError` where it is not JSON."""
    deadline: RequestDeadline | None = None

    async def struct(self, struct: type[T], items_max: int | None = None) -> T:
        """Read the body as a struct. Its list `items` has at most `items_max` entries. Without a body, it is empty.

        Raises `ApiError` 400.
        """
        body = await self.body() or b"{}"
        sizes = no_sizes if items_max is None else lambda _: {"items": items_max}
        read, _ = await offload(len(body), read_body, body, struct, self.limits, items="items", sizes=sizes)
        return read

    @property
    def synthetic(self) -> str:
        """The header with options of the synthetic model, or an empty text."""
        return self.http.headers.get(SYNTHETIC_HEADER, "")

    def flag(self, name: str) -> bool:
        """Whether a parameter of the query is true, in any of the usual spellings."""
        return self._last(name, "").lower() not in _FALSE

    def number(self, name: str) -> int | None:
        """An integer parameter of the query. Raises `ApiError` 400."""
        text = self._last(name, "")
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
            raise invalid(
                f"Invalid value for '{name}': expected a whole number, got {quoted(text)}.", name, "invalid_type"
            )
        return int(text)

    def limit(self) -> int:
        """The `limit` of a page. Raises `ApiError` 400."""
        limit = self.number("limit")
        if limit is None:
            return _PAGE_LIMIT
        if not 1 <= limit <= PAGE_LIMIT_MAX:
            code = "integer_below_min_value" if limit < 1 else "integer_above_max_value"
            raise invalid(f"Invalid value for 'limit': expected 1 to {PAGE_LIMIT_MAX}, got {limit}.", "limit", code)
        return limit

    def order(self) -> Literal["asc", "desc"]:
        """The `order` of a page. Raises `ApiError` 400."""
        order = self._last("order", "desc")
        if order not in ("asc", "desc"):
            message = f"Invalid value for 'order': expected 'asc' or 'desc', got {quoted(order)}."
            raise invalid(message, "order", "invalid_value")
        return "asc" if order == "asc" else "desc"

    def after(self) -> str | None:
        """The id of the item after which a page begins."""
        return self._last("after", "") or None

    def include(self) -> list[str]:
        """The `include` values of the query. Raises `ApiError` 400 for an unknown one."""
        values = [*self._query().get("include[]", []), *self._query().get("include", [])]
        for index, value in enumerate(values):
            if value not in get_args(Include):
                known = ", ".join(f"'{word}'" for word in get_args(Include))
                message = f"Invalid value for 'include[{index}]': {quoted(value)}. Supported values are: {known}."
                raise invalid(message, f"include[{index}]", "invalid_value")
        return values

    def _last(self, name: str, default: str) -> str:
        return self._query().get(name, [default])[-1]

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(self.http.query, keep_blank_values=True) if self.http.query else {}
