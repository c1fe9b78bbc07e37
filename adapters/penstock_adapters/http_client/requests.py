"""The bytes of a request: its head from a template of the same method, path and field names, then its body.

It prevents request smuggling: no value can end its line, and the length is always computed here.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from urllib.parse import quote

from penstock.ports import FRAMING_HEADERS, HttpRequest

from .addresses import Address

_TEMPLATES_CACHED_MAX = 128
"""How many templates are cached; clients may send any number of paths."""
_PATH_CHARS_CACHED_MAX = 500
"""The templates of longer paths are not cached: most likely they are requested only once."""
_COPIED_BYTES_MAX = 64 * 2**10
"""A larger body is not copied into one piece with its head."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LEGAL = "/?:@!$&'()*+,;=%-._~"
"""The characters of a path with its query besides letters and digits (RFC 3986); others are written as %XX."""
_ACCEPTED = "gzip, deflate"
"""The content codings in `accept-encoding`: those of the standard library."""


class RequestWriter:
    """Writes the requests to one upstream."""

    def __init__(self, address: Address) -> None:
        self._write_template = partial(_write_template, address)
        self._template = lru_cache(_TEMPLATES_CACHED_MAX)(self._write_template)

    def write(self, request: HttpRequest) -> list[bytes]:
        """The pieces to be sent. Raises `ValueError` for a header that could be read as more than one."""
        body = request.body
        has_length = bool(body) or request.method != "GET"
        names, values = zip(*request.headers, strict=True) if request.headers else ((), ())
        if has_length:
            values = (*values, len(body))
        # spec: bounded-caches
        template_of = self._template if len(request.path) <= _PATH_CHARS_CACHED_MAX else self._write_template
        template, lines = template_of(request.method, request.path, request.beside_v1, names, has_length)
        head = template % values
        # spec: no-smuggling
        if head.count("\n") != lines or head.count("\r") != lines or "\0" in head:
            raise ValueError("a header of a request to an upstream has a line break or a NUL")
        encoded = head.encode()
        return [encoded + body] if len(body) <= _COPIED_BYTES_MAX else [encoded, body]


def _write_template(
    address: Address, method: str, path: str, beside_v1: bool, names: tuple[str, ...], has_length: bool
) -> tuple[str, int]:
    """The head with `%s` for the value of each field, and its number of lines."""
    for name in names:
        # spec: no-smuggling
        if not _TOKEN.fullmatch(name) or name.lower() in FRAMING_HEADERS:
            raise ValueError(f"{name!r} cannot be a header of a request to an upstream")
    given = {name.lower() for name in names}
    base = address.base_path.removesuffix("/v1") if beside_v1 else address.base_path
    ours = {"host": address.authority, "accept-encoding": _ACCEPTED}
    # spec: no-smuggling
    fixed = [f"{method} {quote(base + path, safe=_LEGAL)} HTTP/1.1"]
    fixed += [f"{name}: {value}" for name, value in ours.items() if name not in given]
    variable = [*names, "content-length"] if has_length else names
    lines = [line.replace("%", "%%") for line in fixed] + [f"{name.replace('%', '%%')}: %s" for name in variable]
    return "".join(f"{line}\r\n" for line in [*lines, ""]), len(lines) + 1
