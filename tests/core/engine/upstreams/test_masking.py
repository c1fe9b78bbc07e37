"""Masks: in which forms a secret is found, and that no split of a reply lets one through or loses a byte."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import ScriptedReply
from penstock.engine.upstreams.masking import Mask
from penstock.errors import ApiError
from penstock.ports import HttpReply
from penstock.secrets import Secret
from requirements import shows

KEY = 'sk-a/b+c="d<e>&é'
PLAIN = "sk-1234567890abcdef"
FORMS = {
    "plain": KEY,
    "json": json.dumps(KEY)[1:-1],
    "json, not in ASCII": json.dumps(KEY, ensure_ascii=False)[1:-1],
    "php": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "go": json.dumps(KEY)[1:-1].replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
    "url": quote(KEY, safe=""),
    "html": "sk-a/b+c=&quot;d&lt;e&gt;&amp;é",
}


def made(*texts: str) -> Mask:
    return Mask([Secret(text) for text in texts])


async def read(reply: HttpReply) -> bytes:
    return b"".join([chunk async for chunk in reply])


@shows("masked-keys")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_found_however_it_is_written(form: str) -> None:
    for mask in (made(KEY), made(f"Bearer {KEY}"), made(PLAIN).also([Secret(KEY)])):
        masked = mask.text(f"header '{form}' in {form}")
        assert form not in masked
        assert masked.startswith("header '***")
        assert mask.data(form.encode()) == b"*" * len(form.encode())


@pytest.mark.parametrize("text", ["none", "EMPTY", "ollama", "", "Bearer x", "a b c d e f g h"])
def test_what_is_no_key_hides_nothing(text: str) -> None:
    texts = f"the model {text} is not there, Bearer in mind"
    assert made(text).text(texts) == texts
    assert made(text).reply(reply := ScriptedReply(b"", headers={})) is reply


def test_all_texts_of_an_error_are_masked() -> None:
    error = ApiError(f"No {PLAIN}.", code=f"bad_{PLAIN}", param=f"headers.{PLAIN}")
    made(PLAIN).error(error)
    assert PLAIN not in repr((error.body(), str(error), error.args))
    made(PLAIN).error(ApiError("\ud800 half a character"))


@shows("masked-keys")
@given(
    st.lists(st.sampled_from([PLAIN, PLAIN[:5], PLAIN[:-1], "s", "k", "sk-", " and ", PLAIN * 2]), max_size=8),
    st.data(),
)
def test_no_split_lets_a_secret_through_or_loses_a_byte(text: list[str], data: st.DataObject) -> None:
    body = "".join(text).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    masked = asyncio.run(read(made(PLAIN, "another-key").reply(ScriptedReply(*pieces))))
    assert masked == made(PLAIN).data(body)
    assert len(masked) == len(body)
    assert PLAIN.encode() not in masked


def test_what_cannot_begin_a_secret_is_not_held_back() -> None:
    """An event is passed on when it comes, and not with the next one."""

    async def first() -> bytes:
        reply = made(PLAIN).reply(ScriptedReply(b'data: {"a": "s"}\n\n', None))
        return await anext(aiter(reply))

    assert asyncio.run(asyncio.wait_for(first(), 5)) == b'data: {"a": "s"}\n\n'


def test_headers_are_masked_and_otherwise_as_they_were() -> None:
    plain = ScriptedReply(b"", headers={"Retry-After": "7"})
    assert made(PLAIN).reply(plain).headers is plain.headers
    result = made(PLAIN).reply(ScriptedReply(b"", headers={"X-Echo": f"Bearer {PLAIN}", "Retry-After": "7"})).headers
    assert result == {"x-echo": "Bearer " + "*" * len(PLAIN), "retry-after": "7"}
