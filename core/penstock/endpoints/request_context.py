"""A call: one request as an endpoint sees it, with its caller, the ids of its path, its query and its body.

It knows how parameters are read and what is wrong with them; it never looks one up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar, get_args
from urllib.parse import parse_qs

import msgspec

from penstock.engine.offload import offload
from penstock.engine.request.request_body import no_sizes, read_body
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


class Call(msgspec.Struct, kw_only=True):
    """A request, and who makes it. `owner` guards every row that is touched; `key` is the caller's own bearer."""

    request: Request
    owner: str
    key: Secret | None
    ids: list[str]
    """The ids within the path, in order."""
    limits: Limits
    read_body: Callable[[Request], Awaitable[bytes]]
    """The body, read and decompressed. Raises `ApiError`."""

    async def body(self) -> bytes:
        """The body as JSON text; it is read now, once. Raises `ApiError` where it is none."""
        return await self.read_body(self.request)

    async def struct(self, struct: type[T], items_max: int | None = None) -> T:
        """The body as a struct, whose `items` has at most so many entries; an empty one where there is no body.

        Raises `ApiError` 400.
        """
        body = await self.body() or b"{}"
        sizes = no_sizes if items_max is None else lambda _: {"items": items_max}
        read, _ = await offload(len(body), read_body, body, struct, self.limits, items="items", sizes=sizes)
        return read

    def flag(self, name: str) -> bool:
        """Whether a parameter of the query says yes, in any way of saying so."""
        return self._last(name, "").lower() not in _FALSE

    def number(self, name: str) -> int | None:
        """A whole number of the query. Raises `ApiError` 400."""
        text = self._last(name, "")
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
            raise invalid(f"Invalid value for '{name}': expected a whole number, got {quoted(text)}.", name)
        return int(text)

    def limit(self) -> int:
        """How many entries a page has. Raises `ApiError` 400."""
        limit = self.number("limit")
        if limit is None:
            return _PAGE_LIMIT
        if not 1 <= limit <= PAGE_LIMIT_MAX:
            raise invalid(f"Invalid value for 'limit': expected 1 to {PAGE_LIMIT_MAX}, got {limit}.", "limit")
        return limit

    def order(self) -> Literal["asc", "desc"]:
        """In which order a page is. Raises `ApiError` 400."""
        order = self._last("order", "desc")
        if order not in ("asc", "desc"):
            raise invalid(f"Invalid value for 'order': expected 'asc' or 'desc', got {quoted(order)}.", "order")
        return "asc" if order == "asc" else "desc"

    def after(self) -> str | None:
        """The id of the entry behind which a page begins."""
        return self._last("after", "") or None

    def include(self) -> list[str]:
        """The `include` values of the query. Raises `ApiError` 400 for one that there is not."""
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
        return parse_qs(self.request.query, keep_blank_values=True) if self.request.query else {}
