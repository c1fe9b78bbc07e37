"""In front of an upstream that serves Responses and stores nothing: its thoughts are its own again in the next turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from live.conftest import Start
from live.test_relaying import STARTED, events, response, toml
from requirements import shows
from support import raw
from support.server import PenstockServer
from support.talk import Talk
from support.upstream import ScriptedUpstream

Json = dict[str, Any]

INCLUDED = "reasoning.encrypted_content"
SEALED: Json = {
    "type": "reasoning",
    "id": "rs_of_the_thinker",
    "status": "completed",
    "summary": [],
    "encrypted_content": "their-sealed-thoughts",
}
MESSAGE: Json = {
    "type": "message",
    "id": "msg_of_the_thinker",
    "role": "assistant",
    "status": "completed",
    "content": [],
}


@pytest.fixture
def relay(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--store", "memory://", toml=toml(upstream.url))


@pytest.fixture
def model(upstream: ScriptedUpstream) -> str:
    """It thinks, and its thoughts are wanted back from the second turn on."""
    upstream.scripts["thinker"] = events(
        STARTED,
        *(
            {"type": f"response.output_item.{step}", "output_index": index, "item": item}
            for index, item in enumerate((SEALED, MESSAGE))
            for step in ("added", "done")
        ),
        {"type": "response.completed", "response": response([SEALED, MESSAGE])},
    )

    def wants(body: Json) -> str | None:
        answers = [item for item in body["input"] if item.get("role") == "assistant"]
        thoughts = [item.get("encrypted_content") for item in body["input"] if item["type"] == "reasoning"]
        if body.get("include") != [INCLUDED]:
            return f"nothing is included: {body.get('include')}"
        return None if thoughts == ["their-sealed-thoughts"] * len(answers) else f"the thoughts are {thoughts}"

    upstream.demands["thinker"] = wants
    return "thinker"


def ask(server: PenstockServer, **body: Any) -> Json:
    answer = raw.post(server.url, {"input": "Well?", **body})
    assert answer.status == 200, answer.body
    text = answer.body.decode()
    assert ("their-sealed-thoughts" in text) == ("include" in body)
    result: Json = json.loads(text)
    return result


@shows("sealed-behind")
def test_the_thoughts_of_a_chain_go_back(relay: PenstockServer, model: str) -> None:
    first = ask(relay, model=model)
    second = ask(relay, model=model, previous_response_id=first["id"])
    ask(relay, model=model, previous_response_id=second["id"])
    for path in (f"/responses/{first['id']}", f"/responses/{second['id']}/input_items"):
        assert b"their-sealed-thoughts" not in raw.ask(relay.url, "GET", path).body


@shows("sealed-behind")
def test_those_of_a_conversation_do(relay: PenstockServer, model: str) -> None:
    conversation = json.loads(raw.post(relay.url, {}, path="/conversations").body)["id"]
    for _ in range(3):
        ask(relay, model=model, conversation=conversation)
    listed = raw.ask(relay.url, "GET", f"/conversations/{conversation}/items")
    assert listed.status == 200
    assert b"their-sealed-thoughts" not in listed.body
    assert b"penstock:returned" not in listed.body


@shows("sealed-behind", "relayed-seals")
def test_a_client_that_asks_for_them_has_them_and_sends_them_back(relay: PenstockServer, model: str) -> None:
    first = ask(relay, model=model, include=[INCLUDED], store=False)
    again = [{"role": "user", "content": "Well?"}, *first["output"], {"role": "user", "content": "Well?"}]
    ask(relay, model=model, include=[INCLUDED], store=False, input=again)


@shows("sealed-behind")
def test_a_client_that_sends_stored_items_back_need_not_see_them(relay: PenstockServer, model: str) -> None:
    first = ask(relay, model=model)
    items = [{"role": "user", "content": "Well?"}, *first["output"], {"role": "user", "content": "Well?"}]
    second = ask(relay, model=model, input=items)
    references = [{"type": "item_reference", "id": item["id"]} for item in second["output"]]
    ask(relay, model=model, input=[*items, *references, {"role": "user", "content": "Well?"}])


@shows("sealed-behind")
def test_a_connection_remembers_them(relay: PenstockServer, model: str) -> None:
    with Talk(relay) as talk:
        first = talk.turn(model=model, input="Well?", store=False)[-1]["response"]
        assert "encrypted_content" not in first["output"][0]
        last = talk.turn(model=model, input="Well?", store=False, previous_response_id=first["id"])[-1]
        assert last["type"] == "response.completed"


@shows("sealed-behind")
def test_a_model_without_thoughts_is_asked_again(relay: PenstockServer, upstream: ScriptedUpstream) -> None:
    upstream.scripts["plain"] = events(STARTED, {"type": "response.completed", "response": response([])})
    upstream.demands["plain"] = lambda body: "Encrypted content is not supported with this model." * ("include" in body)
    for asked in (2, 3):
        ask(relay, model="plain")
        assert len(upstream.asked("/v1/responses")) == asked
