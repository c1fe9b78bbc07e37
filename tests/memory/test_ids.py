"""Ids begin with the time at which they were made, and nothing but indexes has any use of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from memory.cluster import ENV, Cluster, each_engine
from memory.judge import Peer
from memory.test_chains import HELLO, visible_messages
from memory.test_conversations import texts_of
from memory.test_skew import AHEAD_S, skewed
from requirements import shows
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

RANDOM_IDS = """
import os, sys
from penstock import ids
ids.new_id = lambda prefix: prefix + os.urandom(24).hex()
from penstock_adapters.cli import main
sys.exit(main())
"""


class OlderServer(PenstockServer):
    """A server whose ids are all random, as they were before."""

    command = (sys.executable, "-c", RANDOM_IDS, "serve", "--port", "0")


@contextmanager
def older(cluster: Cluster) -> Iterator[Peer]:
    """A caller of an older server in front of the same store, which then ends."""
    env = ENV | {"PENSTOCK_STORE": cluster.url}
    with OlderServer("--upstream", cluster.upstream.url, env=env) as server, cluster.peer(server) as peer:
        yield peer


@each_engine
@shows("ordered-ids")
def test_what_was_stored_under_random_ids_is_used_as_ever(
    cluster: Cluster, a: Peer, upstream: ScriptedUpstream
) -> None:
    with older(cluster) as old:
        first = old.create(model="text", input="One")
        talk = old.client.conversations.create()
        old.create(model="text", input="One", conversation=talk.id)
    second = a.create(model="text", input="Two", previous_response_id=first.id)
    assert visible_messages(upstream) == [("user", "One"), ("assistant", HELLO), ("user", "Two")]
    (asked,) = a.client.responses.input_items.list(first.id).data
    behind = a.client.responses.input_items.list(second.id, order="asc", after=asked.id).data
    assert behind[0].id == first.output[0].id
    a.create(model="text", input=[{"type": "item_reference", "id": asked.id}])
    assert visible_messages(upstream) == [("user", "One")]
    a.create(model="text", input="Two", conversation=talk.id)
    assert texts_of(a, talk.id) == [("user", "One"), ("assistant", HELLO), ("user", "Two"), ("assistant", HELLO)]
    a.client.responses.delete(first.id)
    assert len(a.client.responses.input_items.list(second.id).data) == 1


@each_engine
@shows("ordered-ids")
def test_turns_stand_in_the_order_in_which_they_came(cluster: Cluster, a: Peer) -> None:
    """Every second one is made by a replica whose clock is behind, so that its ids are smaller."""
    talk, previous, expected = a.client.conversations.create(), None, list[tuple[str, str]]()
    with skewed(cluster, -AHEAD_S) as other, cluster.peer(other) as b:
        for number, peer in enumerate((a, b, a, b)):
            peer.create(model="text", input=f"Turn {number}", conversation=talk.id)
            previous = peer.create(model="text", input=f"Turn {number}", previous_response_id=previous).id
            expected += [("user", f"Turn {number}"), ("assistant", HELLO)]
    assert texts_of(a, talk.id) == expected
    listed = a.client.responses.input_items.list(previous, order="asc").data
    assert [(item.role, item.content[0].text) for item in listed] == expected[:-1]
    walked = a.client.conversations.items.list(talk.id, order="desc", limit=1)
    assert [(item.role, item.content[0].text) for item in walked] == expected[::-1]
