"""What is made on one replica is there on the other: retrieved, listed, deleted."""

from __future__ import annotations

import openai
import pytest

from memory.cluster import Cluster
from memory.conftest import Stage
from memory.judge import Peer
from requirements import shows
from support.scripts import HELLO, ROLE
from support.steps import Hang, Send
from support.upstream import ScriptedUpstream
from support.waiting import until

ASK = {"model": "text", "input": "Hello?"}


def test_a_response_is_read_on_the_other_replica(a: Peer, b: Peer) -> None:
    made = a.create(**ASK, metadata={"made": "on A"})
    assert b.client.responses.retrieve(made.id).to_dict() == made.to_dict()


@shows("stored-before-sent")
def test_a_stream_is_stored_before_its_end_is_reported(a: Peer, b: Peer) -> None:
    """Every terminal event that a client saw stands for a response that every replica has."""
    for _ in range(10):
        end = a.events(**ASK)[-1]
        assert b.client.responses.retrieve(end.response.id).to_dict() == end.response.to_dict()


@pytest.mark.parametrize("model", ["length", "cut", "call", "refusal", "reasoning_content", "custom_call"])
def test_a_response_is_stored_however_it_ended(a: Peer, b: Peer, upstream: ScriptedUpstream, model: str) -> None:
    end = a.events(model=model, input="Hello?", **upstream.scripts[model].ask)[-1]
    assert b.client.responses.retrieve(end.response.id).to_dict() == end.response.to_dict()


def test_a_deleted_one_is_gone_everywhere(a: Peer, b: Peer) -> None:
    made = a.create(**ASK)
    b.client.responses.delete(made.id)
    for peer in (a, b):
        with pytest.raises(openai.NotFoundError):
            peer.client.responses.retrieve(made.id)
        with pytest.raises(openai.NotFoundError):
            peer.client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            peer.client.responses.input_items.list(made.id)
        with pytest.raises(openai.BadRequestError):
            peer.create(**ASK, previous_response_id=made.id)


@shows("store-false", "unstored")
def test_without_store_there_is_no_trace(a: Peer, b: Peer) -> None:
    made = a.create(**ASK, store=False)
    for peer in (a, b):
        with pytest.raises(openai.NotFoundError):
            peer.client.responses.retrieve(made.id)
        with pytest.raises(openai.NotFoundError):
            peer.client.responses.input_items.list(made.id)
        with pytest.raises(openai.BadRequestError) as caught:
            peer.create(**ASK, previous_response_id=made.id)
        assert (caught.value.param, caught.value.code) == ("previous_response_id", "previous_response_not_found")
        with pytest.raises(openai.BadRequestError) as caught:
            peer.create(model="text", input=[{"type": "item_reference", "id": made.output[0].id}])
        assert caught.value.param == "input[0].id"


@shows("left-streams")
def test_who_leaves_a_stream_leaves_nothing(a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream) -> None:
    with a.client.responses.create(model=stage(Send(ROLE, *HELLO), Hang()), input="Hello?", stream=True) as stream:
        response_id = next(stream).response.id
    upstream.completion().wait_left()
    with pytest.raises(openai.NotFoundError):
        b.client.responses.retrieve(response_id)


def test_an_expired_response_is_gone(cluster: Cluster) -> None:
    """And cannot be chained on."""
    with cluster.replica(PENSTOCK_LIMITS_RETENTION_S="1") as brief, cluster.peer(brief) as peer:
        made = peer.create(**ASK)
        conversation = peer.client.conversations.create()

        def is_gone() -> bool:
            try:
                peer.client.responses.retrieve(made.id)
                peer.client.conversations.retrieve(conversation.id)
            except openai.NotFoundError:
                return True
            return False

        until(is_gone)
        with pytest.raises(openai.BadRequestError) as caught:
            peer.create(**ASK, previous_response_id=made.id)
        assert caught.value.code == "previous_response_not_found"


def test_input_items_are_paged(a: Peer, b: Peer) -> None:
    """In either order, at every limit and from every item on, the same items each once."""
    text = [str(number) for number in range(5)]
    made = a.create(model="text", input=[{"role": "user", "content": one} for one in text])
    for order, expected in (("asc", text), ("desc", text[::-1]), (None, text[::-1])):
        ask = {} if order is None else {"order": order}
        for limit in (1, 2, 4, 5, 6):
            first = b.client.responses.input_items.list(made.id, limit=limit, **ask)
            assert first.has_more == (limit < len(text))
            assert [item.content[0].text for item in first] == expected  # the package asks for the further pages
    all_of_it = b.client.responses.input_items.list(made.id, order="asc").data
    for number, item in enumerate(all_of_it):
        rest = a.client.responses.input_items.list(made.id, order="asc", after=item.id)
        assert [one.id for one in rest.data] == [one.id for one in all_of_it[number + 1 :]]
        assert rest.has_more is False


LOGPROBS = "message.output_text.logprobs"


@shows("list-includes", "get-includes")
def test_lists_contain_what_is_included_and_the_response_what_was_asked(a: Peer, b: Peer) -> None:
    """And what a list does not contain is not lost."""
    conversation = a.client.conversations.create()
    made = a.create(model="logprobs", input="Hello?", include=[LOGPROBS], top_logprobs=1, conversation=conversation.id)
    logprobs = made.output[0].content[0].logprobs
    assert logprobs
    assert b.client.responses.retrieve(made.id).to_dict() == made.to_dict()
    chained = b.create(**ASK, previous_response_id=made.id)
    lists = [
        lambda **ask: b.client.responses.input_items.list(chained.id, order="asc", **ask).data[1],
        lambda **ask: b.client.conversations.items.list(conversation.id, order="asc", **ask).data[1],
        lambda **ask: b.client.conversations.items.retrieve(made.output[0].id, conversation_id=conversation.id, **ask),
    ]
    for listed in lists:
        assert listed().content[0].logprobs == []
        assert listed(include=["reasoning.encrypted_content"]).content[0].logprobs == []
        assert listed(include=[LOGPROBS]).content[0].logprobs == logprobs


@shows("get-includes")
def test_include_on_a_response_is_checked_and_changes_nothing(a: Peer, b: Peer) -> None:
    asked, bare = a.create(model="logprobs", input="Hello?", include=[LOGPROBS], top_logprobs=1), a.create(**ASK)
    for made in (asked, bare):
        for include in ([LOGPROBS], ["reasoning.encrypted_content"]):
            assert b.client.responses.retrieve(made.id, include=include).to_dict() == made.to_dict()
    with pytest.raises(openai.BadRequestError) as caught:
        b.client.responses.retrieve(bare.id, extra_query={"include[]": "everything"})
    assert str(caught.value.param).startswith("include")


@shows("list-includes")
def test_what_a_client_needs_again_is_always_listed(a: Peer, b: Peer) -> None:
    url = "data:image/png;base64,AAAA"
    content = [{"type": "input_text", "text": "Look:"}, {"type": "input_image", "image_url": url, "detail": "auto"}]
    thought = {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "sealed elsewhere"}
    made = a.create(model="text", input=[thought, {"role": "user", "content": content}])
    visible, listed = b.client.responses.input_items.list(made.id).data
    assert visible.content[1].image_url == url
    assert listed.encrypted_content == "sealed elsewhere"


@shows("foreign-calls")
def test_items_of_hosted_tools_are_stored_and_reach_any_model(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    """Whole, whatever lists contain of them."""
    results = [{"file_id": "file_1", "filename": "rivers.md", "score": 0.5, "text": "Long."}]
    search = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["a"], "results": results}
    made = a.create(model="text", input=[search, {"role": "user", "content": "Hello?"}])
    chained = b.create(**ASK, previous_response_id=made.id)
    for number in range(2):
        received = upstream.completion(number).body["messages"]
        assert [message["role"] for message in received[:3]] == ["assistant", "tool", "user"]
        assert received[1]["content"] == "[rivers.md]\nLong."
    for response_id in (made.id, chained.id):
        bare = b.client.responses.input_items.list(response_id, order="asc").data[0]
        whole = b.client.responses.input_items.list(response_id, order="asc", include=["file_search_call.results"])
        assert (bare.results, bare.queries, bare.status) == (None, ["a"], "completed")
        assert [result.text for result in whole.data[0].results] == ["Long."]


@pytest.mark.parametrize(
    ("query", "param"),
    [({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"order": "up"}, "order"), ({"after": "msg_x"}, "after")],
    ids=str,
)
def test_pages_that_there_are_not(a: Peer, query: dict[str, object], param: str) -> None:
    made = a.create(**ASK)
    with pytest.raises(openai.BadRequestError) as caught:
        a.client.responses.input_items.list(made.id, extra_query=query)
    assert caught.value.param == param
