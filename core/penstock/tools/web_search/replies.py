"""What the model reads of a web search: numbered results and pages, fenced and named as data from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.ports import Page, SearchResult
from penstock.tool_calls.web_search import FIND
from penstock.tool_replies import Fence, cleaned, line

TITLE_CHARS_MAX = 200
_URL_CHARS_MAX = 1_000
_RESULTS_BYTES_MAX = 48_000
"""The size of all results of a call. The marks around them need some more."""
_AROUND_CHARS = 300
"""How much text before and after a found text is returned."""
_PASSAGES_MAX = 10
"""How many places of a page are returned."""

NOTHING_FOUND = "Nothing was found."


def results_reply(fence: Fence, numbered: Sequence[tuple[int, SearchResult]], problems: Sequence[str]) -> str:
    """The results of a search with the numbers to cite them by, and what failed."""
    entries = "\n\n".join(_entry(number, result) for number, result in numbered)
    parts = [*problems, fence.around("search results", entries, _RESULTS_BYTES_MAX) if entries else NOTHING_FOUND]
    return "\n".join(parts)


def _entry(number: int, result: SearchResult) -> str:
    head = f"[{number}] {result.title}".strip()
    date = f"\ndate: {result.date}" if result.date else ""
    return f"{head}\n{result.url[:_URL_CHARS_MAX]}{date}\n{result.snippet}".strip()


def shortened_result(result: SearchResult, snippet_chars: int) -> SearchResult:
    """A result as clients and the model read it: each text on one line, and not longer than asked for."""
    return SearchResult(
        url=result.url,
        title=line(result.title, TITLE_CHARS_MAX),
        snippet=line(result.snippet, snippet_chars),
        date=line(result.date, TITLE_CHARS_MAX),
    )


def page_reply(fence: Fence, number: int, page: Page, bytes_max: int) -> str:
    """The text of a page, with the number to cite it by."""
    title = line(page.title, TITLE_CHARS_MAX)
    note = " Its end is missing, since it is too large." if page.is_cut else ""
    if len(page.text) > bytes_max:
        note += f" Only its beginning is here: {FIND} finds words in the rest."
    head = f"[{number}] {title}\n{page.url[:_URL_CHARS_MAX]}\n\n"
    return f"This is source 【{number}】.{note}\n{fence.around('a page of the web', head + page.text, bytes_max)}"


def matches_reply(fence: Fence, number: int, page: Page, pattern: str, bytes_max: int) -> str:
    """The places of a page that contain a text, each with some text around it."""
    text = cleaned(page.text)
    found = list(_matches(text, pattern))
    if not found:
        return f"The page, source 【{number}】, does not contain these words."
    more = f", of which the first {_PASSAGES_MAX} are here" if len(found) > _PASSAGES_MAX else ""
    around = "\n...\n".join(text[max(0, at - _AROUND_CHARS) : at + _AROUND_CHARS] for at in found[:_PASSAGES_MAX])
    inside = fence.around("places of a page of the web", around, bytes_max)
    return f"This is from source 【{number}】. The words stand there {len(found)} times{more}.\n{inside}"


def _matches(text: str, pattern: str) -> Iterable[int]:
    """Where the pattern begins, in any case of letters. At most one more than are returned are looked for."""
    lowered, wanted = text.lower(), pattern.lower()
    at = lowered.find(wanted)
    for _ in range(_COUNTED_MAX):
        if at < 0:
            return
        yield at
        at = lowered.find(wanted, at + len(wanted))


_COUNTED_MAX = 1_000
"""How many places are counted."""
