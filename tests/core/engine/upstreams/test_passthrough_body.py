"""Bodies that are passed on: another model in them, and not one other byte."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import ScriptedReply
from penstock.engine.upstreams.passthrough_body import BufferedReply, replace_model

READDRESSED: dict[str, tuple[bytes, bytes]] = {
    "plain": (b'{"model":"a","x":1}', b'{"model":"new","x":1}'),
    "spaces": (b' {\n "x" : [1] ,\t"model" : "a" }\n', b' {\n "x" : [1] ,\t"model" : "new" }\n'),
    "within": (b'{"x":{"model":"a"},"model":"b"}', b'{"x":{"model":"a"},"model":"new"}'),
    "in a list": (b'{"x":["model",{"model":"a"}],"model":"b"}', b'{"x":["model",{"model":"a"}],"model":"new"}'),
    "a value that says model": (b'{"x":"model","y":"model","model":"a"}', b'{"x":"model","y":"model","model":"new"}'),
    "twice": (b'{"model":"a","model":"b"}', b'{"model":"new","model":"new"}'),
    "twice, and other things": (
        b'{"x":[1,{"y":"]"}],"model":null,"x":"a\\"b","model":"a","x":2}',
        b'{"x":[1,{"y":"]"}],"model":"new","x":"a\\"b","model":"new","x":2}',
    ),
    "quotes": (b'{"x":"\\"model\\":\\"","model":"a\\"b\\\\"}', b'{"x":"\\"model\\":\\"","model":"new"}'),
    "escaped name": (b'{"mod\\u0065l":"a"}', b'{"mod\\u0065l":"new"}'),
    "brackets in texts": (b'{"x":"}]{[","model":"a"}', b'{"x":"}]{[","model":"new"}'),
    "none": (b'{"x":1}', b'{"model":"new","x":1}'),
    "nothing": (b" { } ", b' {"model":"new" } '),
    "numbers kept": (b'{"t":1.50,"u":1e3,"model":"a"}', b'{"t":1.50,"u":1e3,"model":"new"}'),
}


@pytest.mark.parametrize(("body", "then"), READDRESSED.values(), ids=READDRESSED)
def test_only_the_model_changes(body: bytes, then: bytes) -> None:
    assert replace_model(body, "new") == then


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("model"), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES), st.text(), st.text(), st.sampled_from([None, 1]), st.booleans())
def test_any_other_fields_stay(rest: dict[str, Any], old: str, new: str, indent: int | None, ascii: bool) -> None:
    rest.pop("model", None)
    body = {**rest, "model": old, "last": [old, {"model": old}]}
    text = json.dumps(body, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    then = replace_model(text, new).decode("utf-8", "surrogatepass")
    assert json.loads(then) == body | {"model": new}
    assert replace_model(then.encode("utf-8", "surrogatepass"), new) == then.encode("utf-8", "surrogatepass")


def test_a_null_is_a_model_too() -> None:
    assert json.loads(replace_model(b'{"model": null, "x": 1}', "new")) == {"model": "new", "x": 1}


def test_a_buffered_reply_has_no_headers_of_its_transfer() -> None:
    async def read(reply: BufferedReply) -> list[bytes]:
        pieces = [piece async for piece in reply]
        await reply.aclose()
        return pieces

    headers = {"Content-Length": "9", "content-encoding": "gzip", "retry-after": "1"}
    reply = ScriptedReply(status=503, headers=headers)
    stored = BufferedReply(reply, b"no", retriable=True)
    assert (stored.status, stored.headers, asyncio.run(read(stored))) == (503, {"retry-after": "1"}, [b"no"])
    assert BufferedReply(reply, b"no", retriable=False).headers["x-should-retry"] == "false"
