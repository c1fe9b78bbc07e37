"""Citations: markers become links and annotations, the same in any split of the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.citations import MARKER_CHARS_MAX, Citer, FileSource, Source, WebSource
from penstock.wire import Annotation, FileCitation, UrlCitation
from requirements import shows

PARIS = WebSource(url="https://www.paris.example/a_(b)?q=1", title="Paris")
ROME = WebSource(url="http://rome.example:8080/", title="Rome")
NOTES = FileSource(file_id="file_1", filename="notes.txt")


def rewritten(pieces: Sequence[str], sources: Sequence[Source], first: int = 1) -> tuple[str, list[Annotation]]:
    """The whole text and all annotations, of a part that arrives in these pieces."""
    citer = Citer(first)
    assert citer.add(sources) == first
    found = [each for piece in pieces for each in citer.feed(piece)] + citer.close()
    return "".join(each for each in found if isinstance(each, str)), [
        each for each in found if not isinstance(each, str)
    ]


def test_a_marker_becomes_a_link_with_a_citation_over_exactly_it() -> None:
    text, [citation] = rewritten(["It is Paris 【1】."], [PARIS])
    link = "([paris.example](https://www.paris.example/a_%28b%29?q=1))"
    assert text == f"It is Paris {link}."
    assert isinstance(citation, UrlCitation)
    assert (citation.url, citation.title) == (PARIS.url, PARIS.title)
    assert text[citation.start_index : citation.end_index] == link


def test_a_file_is_cited_at_the_index_of_its_marker_which_is_removed_with_its_space() -> None:
    text, annotations = rewritten(["The capital is Paris 【1】.", " 【1】"], [NOTES])
    assert text == "The capital is Paris."
    assert annotations == [FileCitation(file_id="file_1", filename="notes.txt", index=index) for index in (20, 21)]


def test_indexes_are_code_points() -> None:
    text, [citation] = rewritten(["🎉é 【1】"], [ROME])
    assert isinstance(citation, UrlCitation)
    assert (citation.start_index, citation.end_index) == (3, len(text))


MARKERS = ["【1】", "【 1 】", "【1†L9-L11】", "【1†】", "【1†source】", "【1 †a, b】"]


@pytest.mark.parametrize("marker", MARKERS)
def test_models_write_markers_in_several_ways(marker: str) -> None:
    text, annotations = rewritten([f"a{marker}b"], [ROME])
    assert (text, len(annotations)) == ("a([rome.example](http://rome.example:8080/))b", 1)


def test_one_marker_may_have_several_numbers() -> None:
    text, annotations = rewritten(["a【2, 1】b"], [PARIS, ROME])
    assert [annotation.url for annotation in annotations if isinstance(annotation, UrlCitation)] == [
        ROME.url,
        PARIS.url,
    ]
    assert [text[each.start_index : each.end_index] for each in annotations if isinstance(each, UrlCitation)] == [
        "([rome.example](http://rome.example:8080/))",
        "([paris.example](https://www.paris.example/a_%28b%29?q=1))",
    ]


UNTOUCHED = [
    *(
        "【2】",
        "【0】",
        "【1,2】",
        "【】",
        "【a】",
        "【1",
        "【1†",
        "【1†a\nb】",
        "【【",
        "】",
        "[1]",
        "【-1】",
        "【1】x"[:2],
    ),
    *("【1234567890】", f"【1†{'a' * MARKER_CHARS_MAX}】", "お知らせ【重要】です"),
]


@pytest.mark.parametrize("text", UNTOUCHED, ids=range(len(UNTOUCHED)))
def test_what_is_no_marker_of_a_known_source_stays_as_it_is(text: str) -> None:
    assert rewritten([text], [ROME]) == (text, [])
    assert rewritten(list(text), [ROME]) == (text, [])


def test_a_marker_is_at_most_so_long() -> None:
    longest = f"【1†{'a' * (MARKER_CHARS_MAX - 4)}】"
    assert len(longest) == MARKER_CHARS_MAX
    for pieces in ([longest], list(longest)):
        assert len(rewritten(pieces, [ROME])[1]) == 1
    assert rewritten([longest.replace("†", "†a")], [ROME])[1] == []


def test_text_is_held_back_only_while_it_may_be_a_marker() -> None:
    citer = Citer()
    citer.add([ROME])
    assert citer.feed("see ") == ["see "]
    assert citer.feed("【") == []
    assert citer.feed("重要") == ["【重要"]
    assert citer.feed("【1†" + "a" * MARKER_CHARS_MAX) == ["【1†" + "a" * MARKER_CHARS_MAX]
    assert citer.feed("") == []


def test_each_part_begins_at_0_and_numbers_continue() -> None:
    citer = Citer(4)
    assert not citer.has_sources
    assert (citer.add([PARIS]), citer.add([ROME, NOTES])) == (4, 5)
    assert citer.has_sources
    citer.feed("some text【")
    assert citer.close() == ["【"]
    [_, citation] = citer.feed("【5】")
    assert isinstance(citation, UrlCitation)
    assert (citation.url, citation.start_index) == (ROME.url, 0)


def expected(text: str, count: int) -> str:
    """The text by one pass over the whole of it, where every source is Rome."""

    def link(marker: re.Match[str]) -> str:
        numbers = [int(number) for number in marker[1].split(",")]
        is_known = len(marker[0]) <= MARKER_CHARS_MAX and all(1 <= number <= count for number in numbers)
        return "([rome.example](http://rome.example:8080/))" * len(numbers) if is_known else marker[0]

    return re.sub(r"【\s*(\d{1,9}(?:\s*,\s*\d{1,9})*)\s*(?:†[^【】\n]*)?】", link, text)


PIECES = st.one_of(
    st.sampled_from(
        ["【", "】", "†", ",", " ", "\n", "1", "2", "3", "12", "a", "🎉", "【1】", "【2†L1】", "【1, 2】", "【9】"]
    ),
    st.sampled_from(["a" * 100, "†" + "b" * 150, "words and words "]),
)


@shows("citations")
@given(st.lists(PIECES, max_size=40).map("".join), st.data())
def test_any_split_gives_the_same_text_and_annotations(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = rewritten([text], [ROME, ROME])
    assert whole[0] == expected(text, 2)
    assert rewritten(pieces, [ROME, ROME]) == whole
    assert rewritten(list(text), [ROME, ROME]) == whole
    for annotation in whole[1]:
        assert isinstance(annotation, UrlCitation)
        assert whole[0][annotation.start_index : annotation.end_index].startswith("([rome.example](")
    mixed = [NOTES, ROME]
    assert rewritten(pieces, mixed) == rewritten([text], mixed) == rewritten(list(text), mixed)
