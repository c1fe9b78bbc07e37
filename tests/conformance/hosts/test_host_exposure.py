"""A function without keys: every client can reach it, so it refuses every client."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.hosts.conftest import started
from conformance.hosts.kit import Host, get, post
from conformance.hosts.web import Azure, Google, Vercel
from requirements import shows
from support.upstream import ScriptedUpstream

pytestmark = pytest.mark.slow


@shows("exposed-functions")
@pytest.mark.parametrize("kind", [Google, Vercel, Azure], ids=lambda kind: kind.name)
def test_a_function_without_keys_answers_401(kind: type[Host], upstream: ScriptedUpstream) -> None:
    host = started(kind(), upstream.url, PENSTOCK_API_KEYS="")
    try:
        prefix = host.prefixes[-1]
        for call in (
            post(prefix=prefix, model="text", input="Hi"),
            replace(get(f"{prefix}/v1/models"), headers=(("host", "localhost"),)),
            replace(get(f"{prefix}/admin/synthetic"), headers=(("host", "localhost"),)),
        ):
            answer = host.ask(call)
            assert answer.status == 401
            assert "set PENSTOCK_API_KEYS" in answer.json["error"]["message"].replace("Set", "set")
        assert not upstream.completions
    finally:
        host.stop()
