"""What a call gave, for the model, for the client, and as an error."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from core.tools.mcp.kit import URL, remote, result_of
from penstock.egress import Egress
from penstock.secrets import Secret
from penstock.tools.mcp.client import Block, CallResult, LocalServer, McpFailed, RemoteServer, ToolList
from penstock.tools.mcp.replies import Scrubber, call_error, execution_error, output_text, reply
from penstock.wire import InputImage, InputText
from requirements import shows

PICTURE = Block(kind="image", mime_type="image/png", data="AAAA" * 1000)
RESULTS: dict[str, tuple[CallResult, str]] = {
    "texts": (result_of("a", "b"), "a\nb"),
    "nothing": (CallResult(content=[]), ""),
    "structured content beside text": (result_of("4", structured=msgspec.Raw(b'{"n":4}')), "4"),
    "structured content alone": (CallResult(content=[], structured=msgspec.Raw(b'{"n":4}')), '{"n":4}'),
    "a picture": (CallResult(content=[PICTURE]), "[image image/png, 3 kB]"),
    "a picture with structured content": (
        CallResult(content=[PICTURE], structured=msgspec.Raw(b"4")),
        "[image image/png, 3 kB]\n4",
    ),
    "a sound": (
        CallResult(content=[Block(kind="audio", mime_type="audio/wav", data="AAAA")]),
        "[audio audio/wav, 3 bytes]",
    ),
    "a resource with text": (
        CallResult(content=[Block(kind="resource", uri="file:///a", text="inside")]),
        "inside",
    ),
    "a resource with data": (
        CallResult(content=[Block(kind="resource", uri="file:///a", mime_type="application/pdf", data="AAAA")]),
        "[resource file:///a application/pdf, 3 bytes]",
    ),
    "a link": (
        CallResult(content=[Block(kind="link", uri="file:///a", name="A", text="the first")]),
        "[link file:///a A the first]",
    ),
}


@pytest.mark.parametrize(("result", "text"), RESULTS.values(), ids=RESULTS)
def test_the_output_is_a_text(result: CallResult, text: str) -> None:
    assert output_text(result, 1_000) == text
    assert reply(result, 1_000, images=False) == text


def test_a_long_output_is_cut_and_states_it() -> None:
    assert output_text(result_of("a" * 30), 10) == "a" * 10 + "\n[cut: 20 more characters]"


def test_a_model_with_eyes_gets_pictures() -> None:
    picture = InputImage(image_url=f"data:image/png;base64,{PICTURE.data}")
    assert reply(CallResult(content=[PICTURE]), 100, images=True) == [picture]
    result = CallResult(content=[Block(kind="text", text="Look"), PICTURE])
    assert reply(result, 100, images=True) == [InputText(text="Look"), picture]


@pytest.mark.parametrize(
    "odd",
    [
        Block(kind="image", mime_type="image/svg+xml", data="AAAA"),
        Block(kind="image", mime_type="image/png", data='"x'),
    ],
)
def test_what_is_no_picture_of_a_known_kind_is_described(odd: Block) -> None:
    assert str(reply(CallResult(content=[odd]), 100, images=True)).startswith("[image image/")


def test_the_three_errors() -> None:
    assert msgspec.json.decode(call_error(McpFailed("Away.", http_status=503))) == {
        "type": "http_error",
        "code": 503,
        "message": "Away.",
    }
    assert msgspec.json.decode(call_error(McpFailed("Wrong.", code=-32602))) == {
        "type": "mcp_protocol_error",
        "code": -32602,
        "message": "Wrong.",
    }
    assert msgspec.json.decode(execution_error(result_of("No such file", is_error=True), 100)) == {
        "type": "mcp_tool_execution_error",
        "content": [{"type": "text", "text": "No such file"}],
    }


def test_secrets_that_a_server_repeats_are_removed() -> None:
    server = RemoteServer(
        owner="me",
        target=Egress().target(URL),
        headers=(
            ("authorization", Secret("Bearer token-canary")),
            ("x-key", Secret("header-canary")),
            ("x-n", Secret("1")),
        ),
    )
    local = LocalServer(owner="me", command="c", env=(("KEY", Secret("local-canary")),))
    block = Block(kind="link", uri=URL, name="header-canary", text="token-canary")
    text = f"1: token-canary, Bearer token-canary, header-canary, query-canary, {URL}"
    schema = msgspec.Raw(b'{"default":"token-canary"}')

    async def scenario() -> None:
        scrubber = Scrubber(server)
        assert "canary" not in (await scrubber.texts([text]))[0]
        assert await scrubber.texts(["1 of 11"]) == ["1 of 11"]
        result = await scrubber.result(CallResult(content=[block], structured=msgspec.Raw(b'{"a":"token-canary"}')))
        assert b"canary" not in msgspec.json.encode(result)
        assert result.structured == msgspec.Raw(b'{"a":"<redacted>"}')
        tools = [remote("token-canary", description="For header-canary", input_schema=schema), remote(description=None)]
        found = await scrubber.list(ToolList(tools=tools, fresh_s=1))
        assert (found.tools[0].description, bytes(found.tools[0].input_schema)) == (
            "For <redacted>",
            b'{"default":"<redacted>"}',
        )
        assert (found.tools[0].name, found.tools[1], found.fresh_s) == ("token-canary", tools[1], 1)
        failed = await scrubber.failure(McpFailed(f"No token-canary: {'x' * 5_000}", code=7))
        assert failed.message.startswith("No <redacted>: xxx")
        assert (len(failed.message) < 2_100, failed.code) == (True, 7)
        assert await Scrubber(local).texts(["a local-canary"]) == ["a <redacted>"]

    asyncio.run(scenario())


@shows("linear-work")
def test_a_secret_is_searched_in_one_pass() -> None:
    """However long it is, and however much of it the text repeats."""
    target = Egress().target(f"https://a.example/?key={'a' * 8_000}b")
    scrubber = Scrubber(RemoteServer(owner="me", target=target))
    begun_s = time.process_time()
    asyncio.run(scrubber.texts(["a" * 1_000_000]))
    assert time.process_time() - begun_s < 2  # a search that tries every beginning takes 8


class Counted(str):
    """Data that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return str(self) is str(other)


@shows("linear-work")
def test_images_are_not_compared_with_each_other() -> None:
    pictures = [Block(kind="image", mime_type="image/png", data=Counted(f"{number:04}")) for number in range(100)]
    assert len(reply(CallResult(content=pictures), 1_000, images=True)) == 100
    assert Counted.comparisons == 0


@shows("memory")
def test_the_content_of_an_error_is_bounded() -> None:
    """As the output is. It has no further texts after the one that was cut."""
    error = msgspec.json.decode(execution_error(result_of(*["a" * 40] * 100), 100))
    texts = [part["text"] for part in error["content"]]
    assert texts == ["a" * 40, "a" * 40, "a" * 18 + "\n[cut: 22 more characters]"]
