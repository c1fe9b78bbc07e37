"""Errors about items name them as the client counts them, wherever the rest of the context is from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.fuzzing import Obliging
from core.kit import LIMITS, Answer, Json, OpenSealer, ask, service
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from support import oracle

USER: Json = {"type": "message", "role": "user", "content": "Hi"}
SHUT: Json = {"type": "compaction", "encrypted_content": "x"}
UNSEEN: Json = {"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}
OUTPUT: Json = {"type": "function_call_output", "call_id": "none", "output": "1"}
IMAGE = "content[0].image_url"


def blamed(reported: Answer) -> str | None:
    assert reported.status == 400, reported
    param: str | None = oracle.check_error(reported.json())["param"]
    return param


async def posted(server: Service, path: str = "/v1/responses", **body: Any) -> Answer:
    return await ask(server, body, path=path)


async def begun() -> tuple[Service, Json]:
    """A service, and a response whose call the client has not answered yet."""
    upstream = RemoteUpstream(ChatCompletions(Options(tokenizer="vllm"), LIMITS), Obliging(), LIMITS)
    server = service(upstream, store=MemoryStore(), sealer=OpenSealer())
    made = (await posted(server, input=[USER, USER], stream=False)).json()
    return server, made


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([UNSEEN], f"input[0].{IMAGE}"),
        ([USER, UNSEEN], f"input[1].{IMAGE}"),
        ([USER, OUTPUT], "input[1]"),
        ([USER, SHUT], "input[1].encrypted_content"),
    ],
    ids=str,
)
def test_an_item_has_its_path_in_the_request(items: list[Json], param: str) -> None:
    """The same with a past and without one, though the item stands elsewhere then."""

    async def main() -> None:
        server, made = await begun()
        there = (await posted(server, "/v1/conversations", items=[USER, USER])).json()
        for past in ({}, {"previous_response_id": made["id"]}, {"conversation": there["id"]}):
            assert blamed(await posted(server, input=items, **past)) == param

    asyncio.run(main())


def test_where_it_is_counted_too() -> None:
    async def main() -> None:
        server, made = await begun()
        path = "/v1/responses/input_tokens"
        reply = await posted(server, path, input=[USER, OUTPUT], previous_response_id=made["id"])
        assert blamed(reply) == "input[1]"

    asyncio.run(main())


def test_earlier_items_do_not_change_the_index() -> None:
    async def main() -> None:
        server, made = await begun()
        reference = {"type": "item_reference", "id": made["output"][0]["id"]}
        for items in ([reference, UNSEEN], [made["output"][0], UNSEEN]):
            reply = await posted(server, input=items, previous_response_id=made["id"])
            assert blamed(reply) == f"input[1].{IMAGE}"

    asyncio.run(main())


def test_an_item_of_the_past_is_named_by_the_past() -> None:
    call: Json = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}

    async def main() -> None:
        server, _ = await begun()
        there = (await posted(server, "/v1/conversations", items=[USER, call])).json()
        assert blamed(await posted(server, input=[USER, USER], conversation=there["id"])) == "conversation"
        listed = await ask(server, method="GET", path=f"/v1/conversations/{there['id']}/items")
        item = listed.json()["data"][0]
        reply = await posted(server, input=[USER, {"type": "item_reference", "id": item["id"]}])
        assert blamed(reply) == "input[1]", "the reference itself"

    asyncio.run(main())


def test_an_unanswered_call_of_a_chain_is_named_by_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = (
        b'{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},'
        b'"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1}}'
    )
    monkeypatch.setattr("core.fuzzing.BODY", calls)

    async def main() -> None:
        server, made = await begun()
        reply = await posted(server, input="And?", previous_response_id=made["id"])
        assert blamed(reply) == "previous_response_id"
        assert made["output"][0]["call_id"] in reply.json()["error"]["message"]

    asyncio.run(main())
