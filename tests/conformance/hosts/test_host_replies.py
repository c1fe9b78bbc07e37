"""Replies that are no stream: JSON, errors, paths, cookies, and bodies that are no text."""

from __future__ import annotations

import pytest

from conformance.hosts.kit import Host, post
from support import oracle
from support.upstream import ScriptedUpstream

pytestmark = pytest.mark.slow


def test_json(host: Host, upstream: ScriptedUpstream) -> None:
    for prefix in host.prefixes:
        answer = host.ask(post(prefix=prefix, model="text", input="Grüße 你好 😀"))
        assert (answer.status, answer.is_whole) == (200, True)
        assert answer.header("content-type") == "application/json"
        assert oracle.check_response(answer.json)["status"] == "completed"
    assert upstream.completion().body["messages"][-1]["content"] == "Grüße 你好 😀"
