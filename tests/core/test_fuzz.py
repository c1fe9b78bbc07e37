"""Ten thousand requests of which most are wrong: each is answered as it should, none brings the server down."""

import asyncio
import json
from collections import Counter
from itertools import islice
from typing import Any

import msgspec
import pytest
from openai.types.responses import ResponseCompactionItem, ResponseUsage

from core.kit import LIMITS, Answer, OpenSealer, Scripted, ScriptedReply, ask, service
from core.mutations import bodies
from penstock import lossless
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream
from penstock.ports import HttpReply, HttpRequest
from penstock.wire import UNKNOWN, Response
from support import grammar, oracle, sse

SEED = 4_711
COUNT = 10_000
COMPACTIONS = 2_000
TIMEOUT_S = 5.0

SAID = b'data: {"choices":[{"delta":{"reasoning":"Hm"}}]}\n\ndata: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
ENDED = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}}]}\n\n'
BODY = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}'


class Obliging(Scripted):
    """Answers whatever it is asked, after it has looked whether that is JSON. Its context is a small one."""

    async def send(self, request: HttpRequest) -> HttpReply:
        if request.path == "/models":
            return ScriptedReply(b'{"data":[{"id":"any","max_model_len":64}]}')
        asked = json.loads(request.body)
        assert asked["messages"] is not None
        if asked.get("stream"):
            return ScriptedReply(SAID, ENDED, b"data: [DONE]\n\n")
        return ScriptedReply(BODY, headers={"content-type": "application/json"})


def problem(body: bytes, told: Answer) -> str | None:
    """What is wrong with the answer to a body, if anything is."""
    try:
        _check_headers(told.headers)
        if told.status == 200 and told.headers["content-type"].startswith("text/event-stream"):
            assert oracle.check_response(known(grammar.fold(sse.events(told.body))))["status"] == "completed"
        elif told.status == 200:
            assert oracle.check_response(known(told.json()))["status"] == "completed"
        else:
            assert 400 <= told.status < 499
            _check_blame(oracle.check_error(told.json()))
    except Exception as error:
        return f"{type(error).__name__}: {error}\n  asked {body[:400]!r}\n  told {told.status} {told.body[:400]!r}"
    return None


def known(response: dict[str, Any]) -> dict[str, Any]:
    """A Response without what the request said in words of its own, which the echo repeats and the oracle refuses."""
    encoder = msgspec.json.Encoder(enc_hook=lambda unknown: None)
    text = json.dumps(response).replace("Infinity", "1")  # what 1e400 is to Python is nothing to JSON
    told = lossless.decoder(Response).decode(text.encode())
    kept: dict[str, Any] = _without_strangers(json.loads(encoder.encode(told)))
    return kept


def _without_strangers(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_strangers(entry) for entry in value if not _is_stranger(entry)]
    if isinstance(value, dict):
        return {key: _without_strangers(entry) for key, entry in value.items() if key != UNKNOWN}
    return value


def _is_stranger(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == UNKNOWN


def _check_headers(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        assert f"{name}{value}".isascii()
        assert f"{name}{value}".isprintable()
        assert len(value) < 5_000


def _check_blame(error: dict[str, Any]) -> None:
    """Only for the body as a whole is no parameter to blame."""
    assert len(error["message"]) < 5_000
    assert error["param"] or error["message"].startswith(("The body of the request", "The request has no body"))


def test_ten_thousand_requests_are_answered_as_they_should() -> None:
    async def main() -> tuple[Counter[int], list[str]]:
        door = service(RemoteUpstream(ChatCompletions(Options(), LIMITS), Obliging(), LIMITS), sealer=OpenSealer())
        statuses: Counter[int] = Counter()
        problems: list[str] = []
        for body in bodies(COUNT, SEED):
            told = await asyncio.wait_for(ask(door, body), TIMEOUT_S)
            statuses[told.status] += 1
            if found := problem(body, told):
                problems.append(found)
        return statuses, problems

    statuses, problems = asyncio.run(main())
    assert not problems, f"{len(problems)} of them were not:\n" + "\n".join(problems[:10])
    assert statuses.total() == COUNT
    assert min(statuses[200], statuses[400]) > 1_000, statuses


def test_so_are_those_for_a_compaction() -> None:
    async def main() -> tuple[Counter[int], list[str]]:
        door = service(RemoteUpstream(ChatCompletions(Options(), LIMITS), Obliging(), LIMITS), sealer=OpenSealer())
        statuses: Counter[int] = Counter()
        problems: list[str] = []
        for body in bodies(COMPACTIONS, SEED):
            told = await asyncio.wait_for(ask(door, body, path="/v1/responses/compact"), TIMEOUT_S)
            statuses[told.status] += 1
            if told.status == 200:
                compacted = told.json()
                oracle.check(ResponseCompactionItem, compacted["output"][-1])
                oracle.check(ResponseUsage, compacted["usage"])
            elif found := problem(body, told):
                problems.append(found)
        return statuses, problems

    statuses, problems = asyncio.run(main())
    assert not problems, f"{len(problems)} of them were not:\n" + "\n".join(problems[:10])
    assert min(statuses[200], statuses[400]) > COMPACTIONS // 10, statuses


def test_the_same_seed_gives_the_same_requests() -> None:
    assert list(islice(bodies(COUNT, SEED), 50)) == list(bodies(50, SEED))
    assert list(bodies(50, SEED)) != list(bodies(50, SEED + 1))


@pytest.mark.parametrize(
    "told",
    [
        Answer(500, {}, b'{"error": {"message": "x", "type": "x", "param": null, "code": null}}'),
        Answer(400, {}, b'{"error": {"message": "x", "type": "x", "param": null, "code": null}}'),
        Answer(400, {}, b"{}"),
        Answer(200, {"content-type": "application/json"}, b"{}"),
        Answer(400, {"x": "a\r\nb"}, b'{"error": {"message": "x", "type": "x", "param": "x", "code": null}}'),
    ],
)
def test_a_wrong_answer_would_be_seen(told: Answer) -> None:
    assert problem(b"", told)
