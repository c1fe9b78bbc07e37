"""The request cache: instructions and tools that a client repeats are decoded once.

An entry has its owner and its exact bytes. In a body with the same bytes, a short placeholder replaces them; the short
body is decoded, and the cached values replace the placeholders. The cache finds the position of a name in JSON text,
and checks nothing: `decode` reads a body with an error completely, without the cache.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from penstock.json_codec import Decoder, encode
from penstock.limits import Limits
from penstock.patterns import lazy_pattern
from penstock.wire import CreateResponse, Tool

from .json_bounds import Marks, has_at_most, marks_in

if TYPE_CHECKING:  # the planning, a later step, makes the selection; the cache only stores it
    from penstock.engine.planning.tool_selection import ToolSelection

_VALUE_BYTES_MIN = 1_000
"""A shorter value is decoded faster than it is found."""
_SHARE_MAX = 8
"""The largest share of `request_cache_bytes_max` for one value, as a divisor."""
_COST = 6
"""The memory of an entry, in multiples of its bytes: the text, the decoded value, the plan of the tools, and JSON."""
_PREFIX_BYTES = 128
"""Entries are found by this many first bytes."""
_SAME_PREFIX_MAX = 4
"""How many entries may have one prefix."""
_SEEN_MAX = 1_000
"""How many values that were sent once are recorded."""
_BEGINNING_BYTES = 500
_POSITIONS_MAX = 16
"""How many positions of a name are tried, from the end of the body: the name may be within other values, too."""

_COLON = lazy_pattern(rb"[ \t]*:[ \t]*")
_READ: dict[str, Callable[[bytes], Any]] = {
    "tools": Decoder[list[Tool]](list[Tool]).decode,
    "instructions": msgspec.json.Decoder(str).decode,
}
"""The decoder of each value. `tools` comes first, since both names may be within tools."""
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KEYS = {name: b'"%b"' % name.encode() for name in _READ}

Prefix: TypeAlias = tuple[str, str, bytes]
"""The owner of a value, the name of its parameter, and its first bytes."""


class CachedValue(msgspec.Struct, eq=False):
    """A parameter that was decoded before."""

    prefix: Prefix
    raw: bytes
    value: Any
    marks: Marks
    json: msgspec.Raw | None = None
    """The value as a Response shows it. The planning step encodes it once."""
    selection: ToolSelection | None = None
    """The selection if these are the only tools and `tool_choice` is "auto"."""


class Shortened(msgspec.Struct, frozen=True):
    """A body with placeholders for cached values."""

    body: bytes
    cached: Mapping[str, CachedValue]


class RequestCache:
    """The cached values of all owners; the least recently used one is evicted first. It may be used in any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._bytes_left = limits.request_cache_bytes_max
        self._by_prefix: dict[Prefix, list[CachedValue]] = {}
        self._by_last_use: dict[CachedValue, None] = {}
        self._seen: dict[tuple[str, str, int], None] = {}
        """Values that were sent once: owner, name, and hash."""
        self._behind = dict.fromkeys(_READ, 0)
        """How many bytes came after each name where it was last found: a client writes all its bodies the same way."""
        self._placeholder = secrets.token_hex()
        """It cannot be guessed by a client: a parameter with it was a cached value."""
        self._placeholders = {
            "tools": b'[{"type":"function","name":"%b"}]' % self._placeholder.encode(),
            "instructions": b'"%b"' % self._placeholder.encode(),
        }

    def shorten(self, owner: str, body: bytes) -> Shortened | None:
        """Return the body without cached values; None if it has none, or if its bounds must be checked closely."""
        if not may_be_shortened(body):
            return None
        shortened, found = body, {}
        with self._lock:
            for name in _READ:
                start, cached = self._find(owner, name, shortened)
                if cached is not None:
                    shortened = b"".join(
                        (shortened[:start], self._placeholders[name], shortened[start + len(cached.raw) :])
                    )
                    found[name] = cached
        if not found or not self._is_within_bounds(shortened, found.values()):
            return None
        return Shortened(shortened, found)

    def confirms(self, shortened: Shortened, request: CreateResponse) -> bool:
        """Whether each placeholder was at the parameter of its name. `request` is the decoded short body."""
        if "instructions" in shortened.cached and request.instructions != self._placeholder:
            return False
        tools = request.tools or ()
        return "tools" not in shortened.cached or (
            len(tools) == 1 and getattr(tools[0], "name", "") == self._placeholder
        )

    def note(self, owner: str, body: bytes, request: CreateResponse) -> None:
        """Record the values of a valid body: a value that is sent for the second time is cached."""
        if not may_be_shortened(body):
            return
        for name in _READ:
            value = getattr(request, name)
            if value and self._is_second(owner, name, encode(value)):
                self._note(owner, name, bytes(_decode_fields(body)[name]))

    def _is_second(self, owner: str, name: str, text: bytes) -> bool:
        if not _VALUE_BYTES_MIN <= len(text) <= self._limits.request_cache_bytes_max // (_COST * _SHARE_MAX):
            return False
        seen = owner, name, hash(text)
        with self._lock:
            is_second = seen in self._seen
            self._seen[seen] = None
            if len(self._seen) > _SEEN_MAX:
                del self._seen[next(iter(self._seen))]
        return is_second

    def _note(self, owner: str, name: str, text: bytes) -> None:
        cached = CachedValue(_prefix(owner, name, text, 0), text, _READ[name](text), marks_in(text))
        with self._lock:
            self._add(cached)

    def _find(self, owner: str, name: str, body: bytes) -> tuple[int, CachedValue | None]:
        """Return the index of the cached value of this name, and the value."""
        for position in _positions(name, body, len(body) - self._behind[name]):
            if colon := _COLON.match(body, position):
                start = colon.end()
                if cached := self._cached_at(_prefix(owner, name, body, start), body, start):
                    self._behind[name] = len(body) - position
                    return start, cached
        return 0, None

    def _cached_at(self, prefix: Prefix, body: bytes, start: int) -> CachedValue | None:
        """Return the cached value at this index. The text of a list or string never begins with that of another one."""
        for cached in self._by_prefix.get(prefix, ()):
            if body.startswith(cached.raw, start):
                del self._by_last_use[cached]
                self._by_last_use[cached] = None
                return cached
        return None

    def _add(self, cached: CachedValue) -> None:
        same_prefix = self._by_prefix.setdefault(cached.prefix, [])
        if any(each.raw == cached.raw for each in same_prefix):
            return
        same_prefix.append(cached)
        self._by_last_use[cached] = None
        self._bytes_left -= _COST * len(cached.raw)
        if len(same_prefix) > _SAME_PREFIX_MAX:
            self._evict(same_prefix[0])
        while self._bytes_left < 0:
            self._evict(next(iter(self._by_last_use)))

    def _evict(self, cached: CachedValue) -> None:
        same_prefix = self._by_prefix[cached.prefix]
        same_prefix.remove(cached)
        if not same_prefix:
            del self._by_prefix[cached.prefix]
        del self._by_last_use[cached]
        self._bytes_left += _COST * len(cached.raw)

    def _is_within_bounds(self, shortened: bytes, cached: Iterable[CachedValue]) -> bool:
        """Whether the whole body is certainly within its bounds: the marks of cached values were counted before."""
        values, keys = self._limits.json_values_max, self._limits.json_keys_max
        for each in cached:
            values -= each.marks.values
            keys -= each.marks.keys
        return has_at_most(shortened, values=values, keys=keys)


def _positions(name: str, body: bytes, likely: int) -> Iterator[int]:
    """Yield the indexes after a name, the likely ones first: the last one, near the beginning, and after the input."""
    key = _KEYS[name]
    if body.endswith(key, 0, max(likely, 0)):
        yield likely
    if (position := body.find(key, 0, _BEGINNING_BYTES)) >= 0:
        yield position + len(key)
    position = len(body)
    for _ in range(_POSITIONS_MAX):
        position = body.rfind(key, 0, position)
        if position < 0:
            return
        yield position + len(key)


def _prefix(owner: str, name: str, text: bytes, start: int) -> Prefix:
    return owner, name, text[start : start + _PREFIX_BYTES]


def may_be_shortened(body: bytes) -> bool:
    """Whether it may contain a long value. A body of several lines is joined to one line, so that its bytes change."""
    return len(body) >= _VALUE_BYTES_MIN and b"\n" not in body and b"\r" not in body
