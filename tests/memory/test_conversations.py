"""Conversations: made on one replica, read and written on the other, by one response at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import openai
import pytest

from memory.cluster import LEASE_S, Cluster, each_engine
from memory.conftest import Stage
from memory.judge import Peer
from memory.test_background import ended
from requirements import shows
from support.raw import Connection
from support.scripts import HELLO, OWN_USAGE, ROLE, chunk
from support.steps import Cut, Hang, Json, Send, Sleep
from support.upstream import ScriptedUpstream
from support.waiting import until

WORLD = "Hello, world"


def user(text: str) -> Json:
    return {"type": "message", "role": "user", "content": text}


def texts_of(peer: Peer, conversation_id: str) -> list[tuple[str, str]]:
    """What stands in the conversation, oldest first."""
    items = peer.client.conversations.items.list(conversation_id, order="asc", limit=100).data
    return [(item.role, item.content[0].text) for item in items]


def test_a_conversations_life(a: Peer, b: Peer) -> None:
    made = a.client.conversations.create(metadata={"topic": "rivers"}, items=[user("One")])
    assert b.client.conversations.retrieve(made.id) == made
    changed = b.client.conversations.update(made.id, metadata={"topic": "dams"})
    assert changed.metadata == {"topic": "dams"}
    assert a.client.conversations.retrieve(made.id) == changed
    assert texts_of(b, made.id) == [("user", "One")]
    gone = b.client.conversations.delete(made.id)
    assert (gone.id, gone.deleted) == (made.id, True)
    for peer in (a, b):
        for ask in (peer.client.conversations.retrieve, peer.client.conversations.delete):
            with pytest.raises(openai.NotFoundError):
                ask(made.id)
        with pytest.raises(openai.NotFoundError):
            peer.client.conversations.items.list(made.id)
        with pytest.raises(openai.NotFoundError):
            peer.client.conversations.items.create(made.id, items=[user("Two")])
        with pytest.raises(openai.NotFoundError):
            peer.client.conversations.update(made.id, metadata={})
        with pytest.raises(openai.NotFoundError):
            peer.create(model="text", input="Hello?", conversation=made.id)


def test_items_are_added_read_and_deleted(a: Peer, b: Peer) -> None:
    conversation_id = a.client.conversations.create().id
    added = b.client.conversations.items.create(conversation_id, items=[user("One"), user("Two")])
    assert [item.content[0].text for item in added.data] == ["One", "Two"]
    for item in added.data:
        assert a.client.conversations.items.retrieve(item.id, conversation_id=conversation_id) == item
    left = a.client.conversations.items.delete(added.data[0].id, conversation_id=conversation_id)
    assert left.id == conversation_id
    assert texts_of(b, conversation_id) == [("user", "Two")]
    for ask in (b.client.conversations.items.retrieve, b.client.conversations.items.delete):
        with pytest.raises(openai.NotFoundError):
            ask(added.data[0].id, conversation_id=conversation_id)


def test_items_are_paged(a: Peer, b: Peer) -> None:
    """In either order and at every limit; what is added meanwhile moves nothing."""
    texts = [str(number) for number in range(7)]
    conversation_id = a.client.conversations.create(items=[user(text) for text in texts]).id
    for order, expected in (("asc", texts), ("desc", texts[::-1])):
        for limit in (1, 3, 7, 8):
            first = b.client.conversations.items.list(conversation_id, order=order, limit=limit)
            assert first.has_more == (limit < len(texts))
            assert [item.content[0].text for item in first] == expected
    newest = b.client.conversations.items.list(conversation_id, limit=3)
    a.client.conversations.items.create(conversation_id, items=[user("7")])
    older = newest.get_next_page()
    assert [item.content[0].text for item in older.data] == ["3", "2", "1"]


@pytest.mark.parametrize("count", [20, 21])
def test_twenty_items_at_a_time(a: Peer, count: int) -> None:
    conversation_id = a.client.conversations.create().id
    items = [user(str(number)) for number in range(count)]
    if count <= 20:
        assert len(a.client.conversations.items.create(conversation_id, items=items).data) == count
        assert len(texts_of(a, a.client.conversations.create(items=items).id)) == count
        return
    with pytest.raises(openai.BadRequestError) as caught:
        a.client.conversations.items.create(conversation_id, items=items)
    assert caught.value.param == "items"
    with pytest.raises(openai.BadRequestError):
        a.client.conversations.create(items=items)


@pytest.mark.parametrize("form", ["id", "object"])
def test_responses_in_a_conversation(a: Peer, b: Peer, upstream: ScriptedUpstream, form: str) -> None:
    """Each turn stands in it once, and the next one sees it, on whichever replica."""
    made = a.client.conversations.create(items=[user("Zero")])
    named = made.id if form == "id" else {"id": made.id}
    expected = [("user", "Zero")]
    for peer, text in ((a, "One"), (b, "Two"), (a, "Three")):
        response = peer.create(model="text", input=text, conversation=named)
        assert response.conversation.id == made.id
        expected.append(("user", text))
        messages = upstream.completions[-1].body["messages"]
        assert [(one["role"], one["content"]) for one in messages] == expected
        expected.append(("assistant", WORLD))
        assert texts_of(b, made.id) == texts_of(a, made.id) == expected
    b.client.conversations.delete(made.id)
    assert a.client.responses.retrieve(response.id).output_text == WORLD  # a response has items of its own


@shows("unstored")
def test_without_store_it_is_read_and_not_written(a: Peer, upstream: ScriptedUpstream) -> None:
    made = a.client.conversations.create(items=[user("Zero")])
    a.create(model="text", input="One", conversation=made.id, store=False)
    assert len(upstream.completions[-1].body["messages"]) == 2
    assert texts_of(a, made.id) == [("user", "Zero")]


@pytest.mark.parametrize("model", ["length", "cut", "server_error"])
def test_only_what_completed_stands_in_it(a: Peer, b: Peer, model: str) -> None:
    """And the next response may be written at once."""
    made = a.client.conversations.create()
    try:
        end = a.events(model=model, input="One", conversation=made.id)[-1]
        assert end.response.status in ("incomplete", "failed")
    except openai.InternalServerError:
        assert model == "server_error"
    assert texts_of(b, made.id) == []
    b.create(model="text", input="Two", conversation=made.id)
    assert texts_of(a, made.id) == [("user", "Two"), ("assistant", WORLD)]


def test_what_is_no_conversation(a: Peer, upstream: ScriptedUpstream) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        a.create(model="text", input="Hello?", conversation="conv_" + "0" * 48)
    assert caught.value.param is None
    assert not upstream.completions


# One writer at a time.


@contextmanager
def writing(cluster: Cluster, stage: Stage, conversation_id: str) -> Iterator[None]:
    """While a response on A is being written to the conversation; at the end its client leaves."""
    with cluster.peer(cluster.a) as peer:
        ask = {"model": stage(Send(ROLE, *HELLO), Hang()), "input": "Hello?", "conversation": conversation_id}
        with peer.client.responses.create(**ask, stream=True) as stream:
            next(stream)
            yield


def is_open(peer: Peer, conversation_id: str) -> bool:
    """Whether a response can be written to it; one was, if so."""
    try:
        peer.create(model="text", input="Two", conversation=conversation_id)
    except openai.BadRequestError as error:
        assert (error.param, error.code) == ("conversation", "conversation_locked")
        return False
    return True


def test_one_response_at_a_time(cluster: Cluster, a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream) -> None:
    """Even while it takes longer than its lock lasts; others may read, and one lets go at once at its end."""
    made = a.client.conversations.create()
    with writing(cluster, stage, made.id):
        locked = upstream.completion().at
        for peer in (a, b):
            assert not is_open(peer, made.id)
            with pytest.raises(openai.BadRequestError):
                peer.events(model="text", input="Two", conversation=made.id)
            with pytest.raises(openai.BadRequestError):
                peer.create(model="text", input="Two", conversation=made.id, background=True)
        b.create(model="text", input="Only asking", conversation=made.id, store=False)
        assert len(upstream.completions) == 2
        assert not upstream.completions[0].left.wait(max(0.0, 1.2 * LEASE_S - (upstream.completions[-1].at - locked)))
        assert not is_open(b, made.id)
    upstream.completions[0].wait_left()
    until(lambda: is_open(b, made.id), LEASE_S / 2)
    assert texts_of(a, made.id) == [("user", "Two"), ("assistant", WORLD)]


def test_a_writer_that_breaks_lets_go(a: Peer, b: Peer, stage: Stage) -> None:
    made = a.client.conversations.create()
    a.events(model=stage(Send(ROLE, *HELLO), Cut()), input="One", conversation=made.id)
    assert is_open(b, made.id)


@each_engine
def test_a_writer_that_is_killed_lets_go(cluster: Cluster, b: Peer, stage: Stage) -> None:
    """Within the time that its lock lasts."""
    made = b.client.conversations.create()
    with cluster.victims(1) as (victim,):
        ask = {"model": stage(Send(ROLE, *HELLO), Hang()), "input": "One", "conversation": made.id, "stream": True}
        with Connection(victim.url) as connection:
            connection.post(ask, authorization="Bearer sk-one")
            connection.head()
            assert not is_open(b, made.id)
            victim.process.kill()
            until(lambda: is_open(b, made.id), 3 * LEASE_S)
    assert texts_of(b, made.id) == [("user", "Two"), ("assistant", WORLD)]


def briefly_silent(stage: Stage) -> str:
    return stage(Send(ROLE, *HELLO), Sleep(0.5), Send(chunk({}, "stop"), OWN_USAGE))


@shows("deleted-conversations")
def test_a_conversation_that_is_deleted_under_a_stream(a: Peer, b: Peer, stage: Stage) -> None:
    """The response fails, and states why; there is nothing to write it to."""
    made = a.client.conversations.create()
    with a.create(model=briefly_silent(stage), input="One", conversation=made.id, stream=True) as stream:
        next(stream)
        b.client.conversations.delete(made.id)
        *_, end = stream
    assert end.type == "response.failed"
    assert end.response.error.code == "invalid_prompt"
    assert made.id in end.response.error.message
    assert b.client.responses.retrieve(end.response.id).to_dict() == end.response.to_dict()


@shows("deleted-conversations")
def test_a_conversation_that_is_deleted_before_a_reply(a: Peer, b: Peer, stage: Stage) -> None:
    made = a.client.conversations.create()
    model = briefly_silent(stage)
    with ThreadPoolExecutor() as together:
        asked = together.submit(a.create, model=model, input="One", conversation=made.id)
        until(lambda: [one for one in stage.upstream.completions if one.body["model"] == model])
        b.client.conversations.delete(made.id)
        with pytest.raises(openai.NotFoundError) as caught:
            asked.result()
    assert caught.value.code == "conversation_deleted"
    assert caught.value.response.headers["x-should-retry"] == "false"


@shows("deleted-conversations")
@pytest.mark.parametrize("begun", [True, False], ids=["running", "queued"])
def test_a_conversation_that_is_deleted_under_a_background_response(
    cluster: Cluster, b: Peer, stage: Stage, begun: bool
) -> None:
    with cluster.replica(PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX="1") as small, cluster.peer(small) as peer:
        made = peer.client.conversations.create()
        if not begun:
            peer.create(model=briefly_silent(stage), input="First", background=True)
        model = briefly_silent(stage)
        response = peer.create(model=model, input="One", conversation=made.id, background=True)
        until(lambda: [one for one in stage.upstream.completions if not begun or one.body["model"] == model])
        b.client.conversations.delete(made.id)
        failed = ended(b, response.id)
    assert failed.status == "failed", failed
    assert failed.error.code == "invalid_prompt"
    assert made.id in failed.error.message
    assert "a fault of this server" not in small.log


@shows("deleted-queued")
def test_a_queued_response_that_is_deleted_frees_its_conversation(cluster: Cluster, a: Peer, stage: Stage) -> None:
    with cluster.replica(PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX="1") as small, cluster.peer(small) as peer:
        running = peer.create(model=stage(Hang()), input="One", background=True)
        made = peer.client.conversations.create()
        queued = peer.create(model="text", input="Two", background=True, conversation=made.id)
        assert not is_open(a, made.id)
        peer.client.responses.delete(queued.id)
        assert is_open(a, made.id)
        peer.client.responses.cancel(running.id)


def test_background_in_a_conversation(cluster: Cluster, a: Peer, b: Peer, stage: Stage) -> None:
    """It holds the conversation from its acceptance on; when it is cancelled, it lets go."""
    made = a.client.conversations.create()
    first = a.create(model="text", input="One", conversation=made.id, background=True)
    until(lambda: b.client.responses.retrieve(first.id).status == "completed")
    assert texts_of(b, made.id) == [("user", "One"), ("assistant", WORLD)]
    second = a.create(model=stage(Hang()), input="Never", conversation=made.id, background=True)
    assert not is_open(b, made.id)
    b.client.responses.cancel(second.id)
    until(lambda: is_open(b, made.id), 2 * LEASE_S)
    assert texts_of(a, made.id) == [("user", "One"), ("assistant", WORLD), ("user", "Two"), ("assistant", WORLD)]
