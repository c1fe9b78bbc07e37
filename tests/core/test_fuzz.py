"""Ten thousand requests of which most are wrong: each is answered as it should, none brings the server down.

They come in parts, so that no test takes long, on a busy machine neither.
"""

import asyncio
from collections import Counter
from itertools import islice

import pytest
from openai.types.responses import ResponseCompactionItem, ResponseUsage

from core.fuzzing import Obliging, check_blame, check_headers, known
from core.kit import LIMITS, Answer, OpenSealer, ask, service
from core.mutations import bodies
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream
from support import grammar, oracle, sse

pytestmark = pytest.mark.slow

SEED = 4_711
PARTS = 10
COUNT = 1_000
COMPACTIONS = 2_000
TIMEOUT_S = 5.0


def problem(body: bytes, reply: Answer) -> str | None:
    """What is wrong with the answer to a body, if anything is."""
    try:
        check_headers(reply.headers)
        if reply.status == 200 and reply.headers["content-type"].startswith("text/event-stream"):
            assert oracle.check_response(known(grammar.fold(sse.events(reply.body))))["status"] == "completed"
        elif reply.status == 200:
            assert oracle.check_response(known(reply.json()))["status"] == "completed"
        else:
            assert 400 <= reply.status < 499
            check_blame(oracle.check_error(reply.json()), body)
    except Exception as error:
        return f"{type(error).__name__}: {error}\n  asked {body[:400]!r}\n  reply {reply.status} {reply.body[:400]!r}"
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_requests_are_answered_as_they_should(part: int) -> None:
    async def main() -> tuple[Counter[int], list[str]]:
        server = service(RemoteUpstream(ChatCompletions(Options(), LIMITS), Obliging(), LIMITS), sealer=OpenSealer())
        statuses: Counter[int] = Counter()
        problems: list[str] = []
        for body in bodies(COUNT, SEED + part):
            reply = await asyncio.wait_for(ask(server, body), TIMEOUT_S)
            statuses[reply.status] += 1
            if found := problem(body, reply):
                problems.append(found)
        return statuses, problems

    statuses, problems = asyncio.run(main())
    assert not problems, f"{len(problems)} of them were not:\n" + "\n".join(problems[:10])
    assert statuses.total() == COUNT
    assert min(statuses[200], statuses[400]) > COUNT // 10, statuses


def test_so_are_those_for_a_compaction() -> None:
    async def main() -> tuple[Counter[int], list[str]]:
        server = service(RemoteUpstream(ChatCompletions(Options(), LIMITS), Obliging(), LIMITS), sealer=OpenSealer())
        statuses: Counter[int] = Counter()
        problems: list[str] = []
        for body in bodies(COMPACTIONS, SEED):
            reply = await asyncio.wait_for(ask(server, body, path="/v1/responses/compact"), TIMEOUT_S)
            statuses[reply.status] += 1
            if reply.status == 200:
                compacted = reply.json()
                oracle.check(ResponseCompactionItem, compacted["output"][-1])
                oracle.check(ResponseUsage, compacted["usage"])
            elif found := problem(body, reply):
                problems.append(found)
        return statuses, problems

    statuses, problems = asyncio.run(main())
    assert not problems, f"{len(problems)} of them were not:\n" + "\n".join(problems[:10])
    assert min(statuses[200], statuses[400]) > COMPACTIONS // 10, statuses


def test_the_same_seed_gives_the_same_requests() -> None:
    assert list(islice(bodies(COUNT, SEED), 50)) == list(bodies(50, SEED))
    assert list(bodies(50, SEED)) != list(bodies(50, SEED + 1))


@pytest.mark.parametrize(
    "reply",
    [
        Answer(500, {}, b'{"error": {"message": "x", "type": "x", "param": null, "code": null}}'),
        Answer(400, {}, b'{"error": {"message": "x", "type": "x", "param": null, "code": null}}'),
        Answer(400, {}, b"{}"),
        Answer(200, {"content-type": "application/json"}, b"{}"),
        Answer(400, {"x": "a\r\nb"}, b'{"error": {"message": "x", "type": "x", "param": "x", "code": null}}'),
    ],
)
def test_a_wrong_answer_would_be_seen(reply: Answer) -> None:
    assert problem(b"", reply)
