"""Prompt templates over HTTP: with the `openai` package, from a folder that changes while the server runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from support.ignored_headers import CheckedReply, post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

COMPARE = """
model = "text"
instructions = "You are a {{trade}}."
temperature = 0.25

[[input]]
role = "user"
content = "Which is older, {{this}} or {{that}}?"

[[tools]]
type = "function"
name = "look_up"
parameters = { type = "object", properties = {} }
strict = false
"""
OLD = 'model = "text"\ninput = "An old one."\n'
IMAGE: Any = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
VARIABLES: dict[str, Any] = {"trade": "historian", "this": "Rome", "that": "Athens"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prompts = tmp_path_factory.mktemp("prompts")
    (prompts / "compare").mkdir()
    (prompts / "compare" / "9.toml").write_text(OLD)
    (prompts / "compare" / "10.toml").write_text(COMPARE)
    return prompts


@pytest.fixture(scope="module")
def server_of_all(folder: Path, upstream_of_all: ScriptedUpstream) -> Iterator[PenstockServer]:
    env = {"PENSTOCK_STORE": "memory://", "PENSTOCK_PROMPTS": str(folder)}
    with PenstockServer("--upstream", upstream_of_all.url, env=env) as server:
        yield server


@pytest.fixture
def prompted(server_of_all: PenstockServer, upstream: ScriptedUpstream) -> PenstockServer:
    """A server with templates, whose upstream has received nothing yet."""
    return server_of_all


@pytest.fixture
def client(prompted: PenstockServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=prompted.url, api_key="unused", max_retries=0) as caller:
        yield caller


def ask(server: PenstockServer, prompt: dict[str, Any], **fields: Any) -> CheckedReply:
    return post(server.url, {"prompt": prompt, **fields})


def sent(upstream: ScriptedUpstream) -> list[tuple[str, Any]]:
    return [(one["role"], one["content"]) for one in upstream.completions[-1].body["messages"]]


QUESTION = ("user", "Which is older, Rome or Athens?")
SYSTEM = ("system", "You are a historian.")


def test_a_prompt_is_all_that_a_request_needs(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    response = client.responses.create(prompt={"id": "compare", "variables": VARIABLES})
    assert response.output_text == "Hello, world"
    assert sent(upstream) == [SYSTEM, QUESTION]
    body = upstream.completions[-1].body
    assert (body["temperature"], body["tools"][0]["function"]["name"]) == (0.25, "look_up")
    assert response.prompt is not None
    assert (response.prompt.id, response.prompt.version, response.prompt.variables) == ("compare", "10", VARIABLES)
    assert (response.temperature, response.model) == (0.25, "text")
    assert isinstance(response.instructions, list)
    assert [getattr(item, "content", None) for item in response.instructions] == [SYSTEM[1], QUESTION[1]]


def test_the_requests_own_fields_win_and_its_input_follows(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    response = client.responses.create(
        prompt={"id": "compare", "variables": VARIABLES}, input="Be sure.", instructions="No.", temperature=1
    )
    assert sent(upstream) == [("system", "No."), QUESTION, ("user", "Be sure.")]
    assert response.temperature == 1
    items = client.responses.input_items.list(response.id).data
    assert [getattr(item, "content", None)[0].text for item in items] == ["Be sure."]  # type: ignore[index]


def test_it_is_not_inherited(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    prompt: Any = {"id": "compare", "variables": VARIABLES}
    first = client.responses.create(prompt=prompt)
    client.responses.create(model="text", input="And?", previous_response_id=first.id)
    assert sent(upstream) == [("assistant", "Hello, world"), ("user", "And?")]
    client.responses.create(prompt=prompt, input="And?", previous_response_id=first.id)
    assert sent(upstream) == [SYSTEM, QUESTION, ("assistant", "Hello, world"), ("user", "And?")]


def test_a_variable_may_be_an_image(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    prompt: Any = {"id": "compare", "variables": VARIABLES | {"this": IMAGE}}
    with client.responses.stream(model="text", input="Well?", prompt=prompt) as stream:
        response = stream.get_final_response()
    texts = [{"type": "text", "text": text} for text in ("Which is older, ", " or Athens?")]
    image = {"type": "image_url", "image_url": {"url": IMAGE["image_url"]}}
    assert sent(upstream) == [SYSTEM, ("user", [texts[0], image, texts[1]]), ("user", "Well?")]
    assert response.prompt is not None
    assert response.prompt.variables is not None
    assert response.prompt.variables["this"] != VARIABLES["this"]


def test_a_version_by_name(prompted: PenstockServer, upstream: ScriptedUpstream) -> None:
    assert ask(prompted, {"id": "compare", "version": "9"}).response["instructions"][0]["content"] == "An old one."
    assert sent(upstream) == [("user", "An old one.")]


def test_the_tokens_of_a_prompt_are_counted(prompted: PenstockServer) -> None:
    def tokens(**fields: Any) -> int:
        counted: int = post(prompted.url, fields, "/responses/input_tokens").body["input_tokens"]
        return counted

    assert tokens(prompt={"id": "compare", "version": "9"}, input="Hi") > tokens(model="text", input="Hi")


def test_in_the_background_too(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    prompt: Any = {"id": "compare", "variables": VARIABLES}
    with client.responses.create(prompt=prompt, background=True, stream=True) as events:
        assert [event.type for event in events][-1] == "response.completed"
    assert sent(upstream) == [SYSTEM, QUESTION]


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        ({"id": "nobody"}, "prompt.id"),
        ({"id": "../compare"}, "prompt.id"),
        ({"id": "compare/"}, "prompt.id"),
        ({"id": "compare", "version": "11"}, "prompt.version"),
        ({"id": "compare", "version": "../compare/9"}, "prompt.version"),
        ({"id": "compare", "variables": {"trade": "poet"}}, "prompt.variables.that"),
        ({"id": "compare", "variables": VARIABLES | {"extra": "x"}}, "prompt.variables.extra"),
        ({"id": "compare", "variables": VARIABLES | {"trade": IMAGE}}, "prompt.variables.trade"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(
    prompted: PenstockServer, upstream: ScriptedUpstream, prompt: dict[str, Any], param: str
) -> None:
    reply = ask(prompted, prompt)
    status = 400 if "variables" in param else 404
    assert (reply.status, reply.error["param"]) == (status, param)
    assert not upstream.requests


def test_what_changes_in_the_folder_is_in_force_at_once(
    prompted: PenstockServer, upstream: ScriptedUpstream, folder: Path
) -> None:
    (folder / "fresh").mkdir()
    path = folder / "fresh" / "1.toml"
    for text in ("one", "two"):
        path.write_text(f'model = "text"\ninput = "{text}"')
        os.utime(path, ns=(len(text), ord(text[0])))
        assert ask(prompted, {"id": "fresh"}).status == 200
        assert sent(upstream) == [("user", text)]
    path.write_text('model = "text"\ninput = ')
    reply = ask(prompted, {"id": "fresh"})
    assert (reply.status, reply.error["type"]) == (500, "server_error")
    assert "'fresh'" in reply.error["message"]
    assert str(folder) not in reply.error["message"]
    assert reply.headers["x-should-retry"] == "false"
    until(lambda: f"{path}: not TOML" in prompted.log)
    (folder / "fresh" / "2.toml").write_text(OLD)
    assert ask(prompted, {"id": "fresh"}).status == 200


def test_without_a_folder_there_are_none(server: PenstockServer) -> None:
    reply = ask(server, {"id": "compare"}, model="text", input="Hi")
    assert (reply.status, reply.error["param"], reply.error["code"]) == (404, "prompt.id", "prompt_not_found")
