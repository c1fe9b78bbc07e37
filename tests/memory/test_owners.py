"""Owners: what is another's looks exactly like what is not there, on every route, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memory.cluster import KEY, OTHER_KEY, Cluster
from memory.judge import Peer, check_body
from requirements import shows
from support import raw
from support.steps import Json
from support.waiting import until

NO_OWNER = "0" * 48
USER = {"type": "message", "role": "user", "content": "Hello?"}

BY_PATH: list[tuple[str, str, Json | None]] = [
    ("GET", "/responses/{response}", None),
    ("GET", "/responses/{response}?stream=true", None),
    ("GET", "/responses/{response}?stream=true&starting_after=2", None),
    ("DELETE", "/responses/{response}", None),
    ("POST", "/responses/{response}/cancel", {}),
    ("GET", "/responses/{response}/input_items", None),
    ("GET", "/conversations/{conversation}", None),
    ("POST", "/conversations/{conversation}", {"metadata": {"a": "b"}}),
    ("DELETE", "/conversations/{conversation}", None),
    ("GET", "/conversations/{conversation}/items", None),
    ("POST", "/conversations/{conversation}/items", {"items": [USER]}),
    ("GET", "/conversations/{conversation}/items/{item}", None),
    ("DELETE", "/conversations/{conversation}/items/{item}", None),
]
BY_BODY: list[tuple[int, Json]] = [
    (400, {"input": "Hello?", "previous_response_id": "{response}"}),
    (400, {"input": "Hello?", "previous_response_id": "{response}", "background": True}),
    (400, {"input": [{"type": "item_reference", "id": "{item}"}]}),
    (400, {"input": [{"type": "item_reference", "id": "{output}"}]}),
    (404, {"input": "Hello?", "conversation": "{conversation}"}),
    (404, {"input": "Hello?", "conversation": {"id": "{conversation}"}, "stream": True}),
    (404, {"input": "Hello?", "conversation": "{conversation}", "background": True}),
    (404, {"input": "Hello?", "conversation": "{conversation}", "store": False}),
]

Ids = dict[str, str]


@pytest.fixture
def ids(a: Peer, b: Peer) -> Ids:
    """What the first key has: a response that ran in the background, and a conversation."""
    conversation = a.client.conversations.create(items=[USER])
    (item,) = a.client.conversations.items.list(conversation.id).data
    made = a.create(model="text", input="Hello?", background=True)
    until(lambda: b.client.responses.retrieve(made.id).status == "completed")
    (output,) = b.client.responses.retrieve(made.id).output
    return {"response": made.id, "conversation": conversation.id, "item": item.id, "output": output.id}


def missing(ids: Ids) -> Ids:
    """The same, without an owner."""
    return {name: f"{one.partition('_')[0]}_{number:048d}" for number, (name, one) in enumerate(ids.items())}


def filled(value: Any, ids: Ids) -> bytes:
    """A body as JSON, with the ids where their names stand."""
    text = json.dumps(value)
    for name, one in ids.items():
        text = text.replace(f"{{{name}}}", one)
    return text.encode()


def answered(cluster: Cluster, method: str, path: str, body: Json | None, ids: Ids, key: str) -> tuple[int, bytes]:
    """The status and the bytes of the reply, without the ids that were asked for; judged."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    data = b"" if body is None else filled(body, ids)
    answer = raw.ask(cluster.b.url, method, path.format(**ids), data, headers)
    check_body(answer.status, answer.json())
    result = answer.body
    for name, one in ids.items():
        result = result.replace(one.encode(), f"{{{name}}}".encode())
    return answer.status, result


@shows("owners")
@pytest.mark.parametrize(("method", "path", "body"), BY_PATH, ids=[f"{method} {path}" for method, path, _ in BY_PATH])
def test_what_is_asked_for_by_path(cluster: Cluster, ids: Ids, method: str, path: str, body: Json | None) -> None:
    foreign = answered(cluster, method, path, body, ids, OTHER_KEY)
    assert foreign == answered(cluster, method, path, body, missing(ids), KEY)
    assert foreign[0] == 404


@shows("owners")
@pytest.mark.parametrize(("status", "ask"), BY_BODY, ids=[json.dumps(ask) for _, ask in BY_BODY])
def test_what_a_request_refers_to(cluster: Cluster, ids: Ids, status: int, ask: Json) -> None:
    body = {"model": "text"} | ask
    foreign = answered(cluster, "POST", "/responses", body, ids, OTHER_KEY)
    assert foreign == answered(cluster, "POST", "/responses", body, missing(ids), KEY)
    assert foreign[0] == status


def test_nothing_of_it_came_to_harm(cluster: Cluster, a: Peer, ids: Ids) -> None:
    """All that another owner tried: the owner has everything as it was."""
    before = a.client.responses.retrieve(ids["response"]), a.client.conversations.retrieve(ids["conversation"])
    for method, path, body in BY_PATH:
        answered(cluster, method, path, body, ids, OTHER_KEY)
    assert before == (
        a.client.responses.retrieve(ids["response"]),
        a.client.conversations.retrieve(ids["conversation"]),
    )
    assert [item.id for item in a.client.conversations.items.list(ids["conversation"]).data] == [ids["item"]]
    a.create(model="text", input="Hello?", conversation=ids["conversation"])  # nor has another owner locked it


@shows("owners")
def test_a_conversation_is_not_the_way_to_anothers_item(cluster: Cluster, other_owner: Peer, ids: Ids) -> None:
    own = other_owner.client.conversations.create()
    for method in ("GET", "DELETE"):
        mixed = ids | {"conversation": own.id}
        path = "/conversations/{conversation}/items/{item}"
        foreign = answered(cluster, method, path, None, mixed, OTHER_KEY)
        assert foreign == answered(cluster, method, path, None, missing(ids) | {"conversation": own.id}, OTHER_KEY)
        assert foreign[0] == 404
    after = {"conversation": own.id, "item": ids["item"]}
    path = "/conversations/{conversation}/items?after={item}"
    assert answered(cluster, "GET", path, None, after, OTHER_KEY) == answered(
        cluster, "GET", path, None, after | {"item": f"msg_{NO_OWNER}"}, OTHER_KEY
    )
