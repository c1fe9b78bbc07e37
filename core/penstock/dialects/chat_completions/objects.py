"""Several JSON objects without a line break between them, as some servers send their chunks."""

from __future__ import annotations

from penstock.patterns import lazy_pattern

_BETWEEN = lazy_pattern(rb"\}[ \t\r\n]*\{")
_BLANKS = " \t\r\n"


def objects_in(data: bytes) -> list[bytes]:
    """The objects one by one, with what stands behind them; empty where there are no two of them."""
    if not _BETWEEN.search(data):
        return []
    from json import JSONDecoder  # few servers send such

    text = data.decode(errors="surrogatepass").lstrip(_BLANKS)
    read = JSONDecoder(strict=False).raw_decode
    found: list[str] = []
    begin, end = 0, len(text)
    while begin < end and text[begin] == "{":
        try:
            _, after = read(text, begin)
        except (ValueError, RecursionError):
            break
        found.append(text[begin:after])
        begin = end - len(text[after:].lstrip(_BLANKS))
    if begin < end:
        found.append(text[begin:])
    return [each.encode(errors="surrogatepass") for each in found] if len(found) > 1 else []
