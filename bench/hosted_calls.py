"""What a response with one call of a hosted tool costs, beside a plain response of the same upstream.

Run by hand: `python -m bench.hosted_calls [--responses 2000]`. The tool does nothing, so that the cost is that of the
loop. Both run in process, in alternating rounds; figures are CPU in microseconds, the lowest of the rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

import msgspec
import orjson
import uvloop
from msgspec.structs import replace

from bench import bodies
from bench.guard.inprocess import ASK, Reply, asked_for_stream
from bench.upstream import ROUTES
from penstock.access import Access
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import Policies, RemoteUpstream, Route, Routes
from penstock.engine.hosted_tools.registry import HostedTools
from penstock.http import Request
from penstock.limits import Limits
from penstock.ports import Cite, HostedFunction, HttpRequest, ItemDelta, Outcome, ToolRequest
from penstock.service import Service
from penstock.tool_calls import FunctionDefinition
from penstock.transcript.deltas import ItemOpened, ItemStatusDelta
from penstock.wire import Item, WebSearchCall, WebSearchTool

ROUNDS = 7
LIMITS = Limits()
ACTION = msgspec.Raw(b'{"type":"search","query":"rivers","queries":["rivers"]}')
CALL = {"id": "call_1", "type": "function", "function": {"name": "web_search", "arguments": '{"queries":["rivers"]}'}}
CALLED: dict[str, Any] = {"id": "c", "object": "chat.completion", "created": 1, "model": "bench"}


class NullSession:
    """A session whose calls return at once."""

    needs_opening = waits = False
    approved: Sequence[Any] = ()

    def __init__(self, request: ToolRequest) -> None:
        """Offer one function."""
        self.new_id = request.new_id
        definition = FunctionDefinition(name="web_search", parameters=msgspec.Raw(b'{"type":"object"}'))
        self.functions = [HostedFunction(definition=definition, tool=request.tools[0].tool)]

    async def prepare(self, *, again: bool) -> None:
        """Do nothing."""

    async def open(self) -> AsyncGenerator[ItemDelta | Outcome]:
        """Do nothing."""
        return
        yield

    def call(self, function: HostedFunction) -> NullCall:
        """Begin a call."""
        item_id = self.new_id(WebSearchCall.id_prefix)
        return NullCall(WebSearchCall(id=item_id, status="in_progress", action=ACTION))

    async def aclose(self) -> None:
        """Do nothing."""


class NullCall:
    """A call that returns at once."""

    waits = False

    def __init__(self, item: WebSearchCall) -> None:
        """Have an item."""
        self._item = item

    def begin(self) -> Iterable[ItemDelta | Outcome]:
        """Return no step."""
        return ()

    def arguments(self, fragment: str) -> Iterable[ItemDelta | Outcome]:
        """Return no step."""
        return ()

    def close(self) -> Iterable[ItemDelta | Outcome]:
        """Open the item."""
        return [ItemOpened(self._item), ItemStatusDelta(str(self._item.id), "in_progress")]

    async def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        """Return a short reply."""
        yield ItemStatusDelta(str(self._item.id), "searching")
        yield Outcome(item=replace(self._item, status="completed"), reply="[1] Rivers")

    def failed(self, message: str) -> Outcome:
        """Fail the item."""
        return Outcome(item=replace(self._item, status="failed"), reply=message)


class NullTool:
    """A family whose calls return at once."""

    types = frozenset({WebSearchTool})
    answers: frozenset[type[Item]] = frozenset()

    def session(self, request: ToolRequest) -> NullSession:
        """Return the session of a response."""
        return NullSession(request)

    async def aclose(self) -> None:
        """Do nothing."""


class TwoTurns:
    """A transport whose model calls the tool where it is offered, and answers once it has read the reply."""

    def __init__(self) -> None:
        """Prepare all replies."""
        language = ROUTES[b"completions"]
        self._answer = language.events(ASK, bodies.DEFAULT_DELTAS)
        self._whole = [language.body(ASK, bodies.DEFAULT_DELTAS)]
        message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
        usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        self._call = [orjson.dumps(CALLED | {"choices": [_choice("message", message)], "usage": usage})]
        delta = {"role": "assistant", "tool_calls": [CALL | {"index": 0}]}
        chunk = CALLED | {"object": "chat.completion.chunk", "choices": [_choice("delta", delta)], "usage": usage}
        self._call_events = [b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps(chunk)]

    async def send(self, request: HttpRequest) -> Reply:
        """Return a call or the answer, as a stream or whole."""
        calls = b'"tools"' in request.body and b'"role":"tool"' not in request.body
        if asked_for_stream(request.body):
            return Reply(self._call_events if calls else self._answer, "text/event-stream")
        return Reply(self._call if calls else self._whole, "application/json")

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def _choice(name: str, value: object) -> dict[str, object]:
    return {"index": 0, name: value, "finish_reason": "tool_calls"}


def service() -> Service:
    """Penstock with the tool, in front of the model."""
    upstream = RemoteUpstream(ChatCompletions(Options(), LIMITS), TwoTurns(), LIMITS, name="bench", url="http://bench")
    policies = Policies(tools=HostedTools([NullTool()], runs_max=LIMITS.tool_runs_max))
    return Service(Routes([Route(name="bench", upstream=upstream)], "bench"), access=Access([]), policies=policies)


async def microseconds(server: Service, body: bytes, responses: int) -> float:
    """The CPU time of one response."""
    begun = time.process_time()
    for _ in range(responses):
        headers = {"host": "127.0.0.1", "content-type": "application/json"}
        request = Request(method="POST", path="/v1/responses", headers=headers, body=body)
        reply = await server.handle(request)
        if not isinstance(reply.body, bytes | None):
            pieces = [bytes(piece) async for piece in reply.body]
            await reply.body.aclose()
            answer = b"".join(pieces)
        else:
            answer = reply.body or b""
        if (b"web_search_call" in answer) != (b'"tools"' in body) or b'"completed"' not in answer:
            raise SystemExit(f"a bad reply: {answer[:200]!r}")
    return (time.process_time() - begun) / responses * 1e6


async def measure(responses: int) -> None:
    """Measure JSON and streams, and print a Markdown table."""
    server = service()
    print("| response | plain us | with one call us | ratio |\n| --- | --- | --- | --- |")
    for stream in (False, True):
        asked: dict[str, object] = {"model": "bench", "input": "Count.", "stream": stream}
        plain, hosted = orjson.dumps(asked), orjson.dumps(asked | {"tools": [{"type": "web_search"}]})
        rounds = [
            (await microseconds(server, plain, responses), await microseconds(server, hosted, responses))
            for _ in range(ROUNDS)
        ]
        low, high = (min(times) for times in zip(*rounds, strict=True))
        print(f"| {'stream' if stream else 'JSON'} | {low:.0f} | {high:.0f} | {high / low:.2f} |")
    await server.aclose()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.hosted_calls", description="Measure hosted calls.")
    parser.add_argument("--responses", type=int, default=2_000)
    uvloop.run(measure(parser.parse_args().responses))  # the server's event loop


if __name__ == "__main__":
    main()
