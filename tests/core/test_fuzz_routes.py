"""Thousands of requests to every route, most of them wrong: each gets the right answer, and no other owner's data."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from openai.types import Model
from openai.types.conversations import Conversation

from core.fuzzing import Obliging, check_blame, check_headers, known
from core.kit import LIMITS, Answer, OpenSealer, Table, ask, drain, service
from core.route_fuzz_cases import KEY, OTHER_KEY, ROUTES, Asked, requests
from penstock.access import Access
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream
from penstock.errors import ApiError
from penstock.http import Request
from penstock.secrets import Secret
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from penstock_adapters.compression import decompress
from support import oracle, sse

pytestmark = pytest.mark.slow

SEED = 1_742
COUNT = 20_000
FRESH = 25
"""After so many requests there is again what may have been deleted."""
TIMEOUT_S = 5.0
SECRET = "the other one's"
TEMPLATE = {"input": "{{a}}, {{b}}?", "model": "any"}

Ids = dict[str, str]


def server() -> Service:
    """Of two owners, with all that a service can have."""
    return service(
        RemoteUpstream(ChatCompletions(Options(), LIMITS), Obliging(), LIMITS),
        access=Access([Secret(KEY), Secret(OTHER_KEY)]),
        store=MemoryStore(),
        sealer=OpenSealer(),
        prompts=Table(p={"1": TEMPLATE}),
        decompress=decompress,
    )


async def filled(server: Service, key: str, text: str) -> Ids:
    """What an owner has: a response, one that ran in the background, and a conversation; all contain the text."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}

    async def made(path: str, **body: Any) -> Any:
        reply = await ask(server, {"metadata": {"said": text}} | body, path=path, headers=headers)
        assert reply.status == 200, reply
        return reply.json()

    item = {"type": "message", "role": "user", "content": text}
    conversation = await made("/conversations", items=[item])
    response = await made("/responses", input=[item], conversation=conversation["id"])
    background = sse.events((await _followed(server, headers, text)).body)[-1]["response"]
    path = f"/conversations/{conversation['id']}/items"
    items = (await ask(server, method="GET", path=path, headers=headers)).json()["data"]
    return {
        "response": response["id"],
        "background": background["id"],
        "conversation": conversation["id"],
        "item": items[-1]["id"],
        "output": response["output"][-1]["id"],
        "model": "any",
    }


async def _followed(server: Service, headers: dict[str, str], text: str) -> Answer:
    body = {"input": text, "background": True, "stream": True, "metadata": {"said": text}}
    return await ask(server, body, headers=headers)


# The laws.


def problem(asked: Request, reply: Answer) -> str | None:
    """What is wrong with an answer, if anything is."""
    try:
        check_headers(reply.headers)
        assert SECRET.encode() not in reply.body, "it tells what is another owner's"
        assert reply.status in {200, 204, 400, 401, 404, 405, 413, 415, 426}
        if asked.method == "HEAD" or reply.status == 204:
            _check_bodiless(asked, reply)
        elif reply.status == 200:
            _check_good(reply)
        else:
            _check_refusal(asked, reply)
    except Exception as error:
        body = asked.body[:400]
        summary = f"{asked.method} {asked.path}?{asked.query[:200]} {body!r}"
        return f"{type(error).__name__}: {error}\n  asked {summary}\n  reply {reply.status} {reply.body[:400]!r}"
    return None


def _check_bodiless(asked: Request, reply: Answer) -> None:
    assert reply.body == b""
    assert (reply.status == 204) == ("content-type" not in reply.headers)
    assert reply.status != 204 or (asked.method == "OPTIONS" and "OPTIONS" in reply.headers["allow"].split(", "))


def _check_good(reply: Answer) -> None:
    if reply.headers["content-type"].startswith("text/event-stream"):
        _check_events(reply.body)
    else:
        body = reply.json()
        KINDS[body.get("object", "item")](body)


def _check_events(body: bytes) -> None:
    """The whole of a stream, or what came after some event of it."""
    numbers = [event["sequence_number"] for event in sse.events(body)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


def _check_page(body: Any) -> None:
    assert body.keys() == {"object", "data", "first_id", "last_id", "has_more"} or body.keys() == {"object", "data"}
    ids = [entry["id"] for entry in body["data"]]
    assert len(set(ids)) == len(ids)


def _check_deleted(body: Any) -> None:
    assert body.keys() == {"id", "object", "deleted"}
    assert body["deleted"] is True


def _check_response(body: Any) -> None:
    if "deleted" in body:
        _check_deleted(body)
    else:
        oracle.check_response(known(body))


def _check_item(body: Any) -> None:
    assert body["id"]
    assert body["type"]


def without_unknown(model: dict[str, Any]) -> dict[str, Any]:
    """What the package knows of a model; upstreams send more."""
    return {name: value for name, value in model.items() if name in Model.model_fields}


KINDS: dict[str, Callable[[Any], object]] = {
    "response": _check_response,
    "list": _check_page,
    "conversation": lambda body: oracle.check(Conversation, body),
    "conversation.deleted": _check_deleted,
    "response.input_tokens": lambda body: body["input_tokens"] + 1,
    "model": lambda body: oracle.check(Model, without_unknown(body)),
    "item": _check_item,
}


def _check_refusal(asked: Request, reply: Answer) -> None:
    error = oracle.check_error(reply.json())
    if reply.status == 405:
        assert asked.method not in reply.headers["allow"].split(", ")
    if reply.status == 400:
        check_blame(error, unpacked(asked), asked.query)


def unpacked(asked: Request) -> bytes:
    try:
        return decompress(asked.body, asked.headers.get("content-encoding", ""), LIMITS.body_bytes_max)
    except ApiError:
        return b""


# The requests.


async def answered(server: Service, request: Request) -> Answer:
    async with asyncio.timeout(TIMEOUT_S):
        reply = await server.handle(request)
        return Answer(reply.status, dict(reply.headers), await drain(reply))


async def asked_in_turn(count: int) -> tuple[Counter[int], Counter[str], list[str]]:
    """The statuses, those requests that were right by their method and path, and what was wrong with the answers."""
    behind = server()
    statuses: Counter[int] = Counter()
    right: Counter[str] = Counter()
    problems: list[str] = []
    theirs = {f"their_{name}": value for name, value in (await filled(behind, OTHER_KEY, SECRET)).items()}
    ids: Ids = {}
    for number, asked in enumerate(requests(count, SEED)):
        if number % FRESH == 0:
            ids = theirs | await filled(behind, KEY, "mine")
        request = asked.filled(ids)
        reply = await answered(behind, request)
        statuses[reply.status] += 1
        right[(reply.status == 200 and _pattern(asked)) or ""] += 1
        if found := problem(request, reply):
            problems.append(found)
    again = await filled(behind, KEY, "mine")
    assert set(again) == {name.removeprefix("their_") for name in theirs}
    await behind.aclose()
    return statuses, right, problems


def _pattern(asked: Asked) -> str:
    """The route of a request that was right."""
    path = re.sub(r"~\w+~", "*", asked.path.removeprefix("/v1").rstrip("/"))
    return f"{asked.method} {path}"


def test_every_route_answers_as_it_should() -> None:
    statuses, right, problems = asyncio.run(asked_in_turn(COUNT))
    assert not problems, f"{len(problems)} of {COUNT} were not:\n" + "\n".join(problems[:10])
    assert statuses[200] > COUNT // 4, statuses
    assert min(statuses[400], statuses[404]) > COUNT // 20, statuses
    assert min(statuses[status] for status in (401, 405, 415, 426)) > 0, statuses
    never = {f"{route.method} {route.path}" for route in ROUTES} - {pattern for pattern in right if right[pattern] > 5}
    assert never == set(), "no request to these was right"


def test_the_same_seed_gives_the_same_requests() -> None:
    assert list(islice(requests(COUNT, SEED), 50)) == list(requests(50, SEED))
    assert list(requests(50, SEED)) != list(requests(50, SEED + 1))


@pytest.mark.parametrize(
    ("status", "error", "why"),
    [
        (500, {"param": None}, "AssertionError"),
        (400, {"param": None}, "AssertionError"),
        (400, {"param": "input[0].text"}, "nothing is input"),
        (400, {"param": "input[1].type.x"}, "nothing is input"),
        (400, {"param": "input.type"}, "nothing is input"),
        (400, {"param": "input[1]", "message": SECRET}, "another owner"),
    ],
    ids=str,
)
def test_a_wrong_answer_would_be_seen(status: int, error: dict[str, Any], why: str) -> None:
    body = {"error": {"message": "x", "type": "x", "code": None} | error}
    asked = Request(method="POST", path="/v1/responses", headers={}, body=b'{"input": ["x", {"type": 1}]}')
    assert why in (problem(asked, Answer(status, {}, json.dumps(body).encode())) or "")
