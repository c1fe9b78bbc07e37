"""A server with a root path: behind a proxy that removes it, behind one that does not, and within another app."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from openai import OpenAI

from requirements import shows
from support.mounted import MountedServer
from support.scripts import SCRIPTS
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(SCRIPTS) as running:
        yield running


@pytest.fixture(scope="module")
def server(upstream: ScriptedUpstream) -> Iterator[PenstockServer]:
    with PenstockServer("--root-path", "/llm/", "--upstream", upstream.url) as running:
        yield running


def get(server: PenstockServer, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=20)
    connection.request("GET", path)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, text


@shows("root-path")
@pytest.mark.parametrize("prefix", ["/llm", ""])
def test_requests_with_it_and_without_it(server: PenstockServer, upstream: ScriptedUpstream, prefix: str) -> None:
    with OpenAI(base_url=f"{server.base}{prefix}/v1", api_key="unused", max_retries=0) as client:
        assert client.responses.create(model="text", input="Hi", store=False).status == "completed"
        assert [model.id for model in client.models.list()]
        upstream.requests.clear()
        client.chat.completions.create(model="text", messages=[{"role": "user", "content": "Hi"}])
        assert [request.path for request in upstream.requests] == ["/v1/chat/completions"]
        with client.responses.connect() as connection:
            connection.response.create(model="text", input="Hi", store=False)
            assert any(event.type == "response.completed" for event in connection)
    for path in ("/healthz", "/v1/models", "/responses/resp_none"):
        assert get(server, prefix + path)[0] == (404 if "none" in path else 200)


@shows("root-path")
@pytest.mark.parametrize("prefix", ["/llm", ""])
def test_links_have_it(server: PenstockServer, prefix: str) -> None:
    status, text = get(server, f"{prefix}/openapi.json")
    assert (status, json.loads(text)["servers"]) == (200, [{"url": "/llm/v1"}])
    assert "POST /llm/v1/responses" in get(server, f"{prefix}/")[1]
    assert "Its OpenAPI document is /llm/v1/openapi.json." in get(server, prefix or "/")[1]


@shows("root-path")
def test_a_similar_path_is_another_one(server: PenstockServer) -> None:
    assert get(server, "/llms/v1/models")[0] == 404
    assert get(server, "/llm/llm/v1/models")[0] == 404


@shows("root-path")
def test_an_app_within_another_one() -> None:
    with MountedServer() as mounted:
        assert json.loads(get(mounted, "/ai/v1/openapi.json")[1])["servers"] == [{"url": "/ai/v1"}]
    with MountedServer(env={"PENSTOCK_ROOT_PATH": "/site/ai"}) as proxied:
        assert json.loads(get(proxied, "/ai/v1/openapi.json")[1])["servers"] == [{"url": "/site/ai/v1"}]
