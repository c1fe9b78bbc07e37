"""Several JSON objects without a line break between them, as some servers send their chunks."""

from __future__ import annotations

from contextlib import suppress

from penstock.patterns import lazy_pattern

OBJECTS_MAX = 10_000
"""How many objects are read at once: so many are read within a tenth of a second."""

_BETWEEN = lazy_pattern(rb"\}[ \t\r\n]*\{")
_NO_BLANK = lazy_pattern(r"[^ \t\r\n]")


def objects_in(data: bytes) -> list[bytes]:
    """The objects one by one, with what stands behind them; empty where there are no two of them, or too many."""
    if not _BETWEEN.search(data):
        return []
    from json import JSONDecoder  # few servers send such

    text = data.decode(errors="surrogatepass")
    read = JSONDecoder(strict=False).raw_decode
    found: list[str] = []
    begin = _NO_BLANK.search(text)
    while begin is not None:
        at, after = begin.start(), len(text)
        if begin[0] == "{":
            with suppress(ValueError, RecursionError):  # else the rest is no object
                _, after = read(text, at)
        found.append(text[at:after])
        if len(found) > OBJECTS_MAX:
            return []
        begin = _NO_BLANK.search(text, after)
    return [each.encode(errors="surrogatepass") for each in found] if len(found) > 1 else []
