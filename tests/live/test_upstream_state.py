"""An upstream that keeps the state: what is about responses and conversations goes there, and comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from live.conftest import Start
from support.caller import SETTINGS
from support.raw import ask
from support.server import PenstockServer


@pytest.fixture
def behind(start: Start) -> PenstockServer:
    """The server that keeps everything."""
    return start("--store", "memory://")


@pytest.fixture
def front(start: Start, behind: PenstockServer) -> PenstockServer:
    upstream = f'name = "behind"\nurl = "{behind.url}"\ndialect = "responses"\nstate = "upstream"\n'
    return start(toml=f'[[upstreams]]\n{upstream}aliases = {{ mine = "synthetic" }}\n')


@pytest.fixture
def client(front: PenstockServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=front.url, api_key="sk-any", **SETTINGS) as client:
        yield client


def test_a_response_is_stored_there(client: openai.OpenAI, behind: PenstockServer) -> None:
    first = client.responses.create(model="mine", input="Hello?")
    second = client.responses.create(model="mine", input="And you?", previous_response_id=first.id)
    assert (first.model, second.previous_response_id) == ("synthetic", first.id)
    assert client.responses.retrieve(second.id) == second
    assert len(client.responses.input_items.list(second.id, limit=3, order="asc").data) == 3
    assert client.responses.input_tokens.count(model="mine", input="Hello?").input_tokens > 0
    assert ask(behind.url, "GET", f"/responses/{first.id}").status == 200
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)


def test_a_background_stream_is_resumed_there(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="mine", input="Hello?", background=True, stream=True))
    response_id = events[0].response.id  # type: ignore[union-attr]
    rest = list(client.responses.retrieve(response_id, stream=True, starting_after=2))
    assert [event.to_dict() for event in rest] == [event.to_dict() for event in events[3:]]
    assert client.responses.cancel(response_id).status == "completed"


def test_a_conversation_is_stored_there(client: openai.OpenAI) -> None:
    room = client.conversations.create(metadata={"topic": "weather"})
    client.responses.create(model="mine", input="Hello?", conversation=room.id)
    items = client.conversations.items.list(room.id, order="asc").data
    assert [item.role for item in items] == ["user", "assistant"]  # type: ignore[union-attr]
    assert client.conversations.update(room.id, metadata={"topic": "rain"}).metadata == {"topic": "rain"}
    assert client.conversations.items.retrieve(items[0].id or "", conversation_id=room.id) == items[0]
    assert client.conversations.delete(room.id).deleted


def test_a_websocket_is_refused(front: PenstockServer) -> None:
    """Its connection would be ours, and what it is about is not."""
    headers = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"}
    reply = ask(front.url, "GET", "/responses", headers=headers | {"sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert reply.status == 426
