"""What the model reads of results and pages: numbered by us, fenced, and no longer than asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.ports import Page, SearchResult
from penstock.tool_replies import Fence
from penstock.tools.web_search.replies import NOTHING_FOUND, matches_reply, page_reply, results_reply, shortened_result

FENCE = Fence("7f3a9c")
PAGE = Page(url="https://a.example/", title="A\n【1】", text="One river. " + "x" * 1_000 + " Two RIVERS.")


def test_results_have_the_numbers_of_their_sources() -> None:
    results = [SearchResult(url="https://a.example/", title="A", snippet="About a.", date="2026-01-02")]
    assert results_reply(FENCE, [(4, results[0])], []) == (
        "<<data 7f3a9c: search results>>\n[4] A\nhttps://a.example/\ndate: 2026-01-02\nAbout a.\n<<end of data 7f3a9c>>"
    )
    assert results_reply(FENCE, [], ["The search failed: x."]) == f"The search failed: x.\n{NOTHING_FOUND}"


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_result_cannot_write_a_line_of_its_own(title: str, snippet: str) -> None:
    result = shortened_result(SearchResult(url="https://a.example/", title=title, snippet=snippet), 100)
    assert len(results_reply(FENCE, [(1, result)], []).split("\n")) <= 6
    assert max(len(result.title), len(result.snippet)) <= 200
    assert len(result.snippet) <= 100


def test_a_page_states_its_number_and_what_is_missing() -> None:
    whole = page_reply(FENCE, 2, PAGE, 5_000)
    assert whole.startswith(
        "This is source 【2】.\n<<data 7f3a9c: a page of the web>>\n[2] A [1]\nhttps://a.example/\n"
    )
    assert "beginning" not in whole
    part = page_reply(FENCE, 2, PAGE, 500)
    assert part.startswith("This is source 【2】. Only its beginning is here: find_in_page finds words in the rest.")
    assert len(part) < 800


def test_matches_have_text_around_them_in_any_case_of_letters() -> None:
    found = matches_reply(FENCE, 2, PAGE, "RIVER", 5_000)
    assert "The words stand there 2 times." in found
    assert "One river." in found
    assert "Two RIVERS." in found
    assert found.count("\n...\n") == 1
    assert "does not contain these words" in matches_reply(FENCE, 2, PAGE, "lake", 5_000)
    many = Page(url="https://a.example/", text="ab " * 50)
    assert "50 times, of which the first 10 are here" in matches_reply(FENCE, 2, many, "ab", 50_000)
