"""Plays what an upstream sends through the whole path, in this process, and writes down what came of it.

Knows the scripts of `support.scripts` and the captures of a real server; every id and every time counts from nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.kit import IMPATIENT, LIMITS, Json, Scripted, ScriptedReply, encode, make_run, plan, singly, to_json
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Deltas, TransportError, Turn, Upstream
from penstock.transcript.deltas import Delta
from penstock.wire import Event, Response
from support.scripts import HANGING, SCRIPTS, WEATHER
from support.steps import Cut, Fail, Flood, Hang, Raw, Reply, Script, Send, fold_chunks, payloads

CAPTURES = Path(__file__).parents[1] / "transcripts" / "upstream"
STATUS = re.compile(r"^(llama_cpp_\w+\.\w+): HTTP (\d+)", re.MULTILINE)

Piece = bytes | TransportError | None


# What is sent.


def stream_of(script: Script) -> list[Piece]:
    """The bytes of a script as a stream, as they leave the upstream."""
    pieces: list[Piece] = []
    for step in script.steps:
        if isinstance(step, Raw):
            pieces.append(step.data)
        elif isinstance(step, Send | Flood):
            pieces += [script.frame(json.dumps(chunk, ensure_ascii=False)) for chunk in payloads(step)]
        elif isinstance(step, Hang):
            return [*pieces, None]
        elif isinstance(step, Cut):
            return [*pieces, TransportError(f"the connection ended by {step.how}")]
    return [*pieces, script.frame("[DONE]")] if script.done else pieces


def bytes_of(script: Script) -> bytes:
    """All bytes of a script's stream."""
    return b"".join(piece for piece in stream_of(script) if isinstance(piece, bytes))


def transport_of(script: Script, *, stream: bool = True) -> Scripted:
    """A script as an upstream plays it: refusals first, then the stream, or one body with the same content."""
    replies: list[Any] = []
    for step in script.steps:
        if isinstance(step, Fail):
            replies += [reply_of(step.reply)] * step.times
        elif isinstance(step, Reply):
            return Scripted(*replies, reply_of(step))
    if isinstance(script.steps[0], Hang):
        return Scripted(*replies, None)
    if stream:
        return Scripted(*replies, ScriptedReply(*shredded(script)))
    return Scripted(*replies, reply_of(Reply(200, fold_chunks([*_chunks(script)]))))


def shredded(script: Script) -> list[Piece]:
    """The stream in the pieces that the script asks for."""
    if not script.piece_bytes:
        return stream_of(script)
    whole = bytes_of(script)
    return [whole[at : at + script.piece_bytes] for at in range(0, len(whole), script.piece_bytes)]


def reply_of(reply: Reply) -> ScriptedReply:
    body = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
    kind = "text/html" if isinstance(reply.body, str) else "application/json"
    return ScriptedReply(body, status=reply.status, headers={"content-type": kind, **reply.headers})


def _chunks(script: Script) -> Iterator[Json]:
    for step in script.steps:
        yield from payloads(step)


def captures() -> dict[str, ScriptedReply]:
    """What a real server sent, by the name of the file."""
    statuses = dict(STATUS.findall((CAPTURES / "llama_cpp_VERSION.txt").read_text(encoding="utf-8")))
    kinds = {".sse": "text/event-stream; charset=utf-8", ".json": "application/json"}
    return {
        file.name: ScriptedReply(
            file.read_bytes(), status=int(statuses[file.name]), headers={"content-type": kinds[file.suffix]}
        )
        for file in sorted(CAPTURES.glob("llama_cpp_*.*"))
        if file.suffix in kinds
    }


def request_of(name: str, *, stream: bool = True) -> Json:
    """What a client asks, so that the script or capture makes sense."""
    ask = SCRIPTS[name].ask if name in SCRIPTS else {"tools": [WEATHER]} if "tool" in name else {}
    return {"model": name, "input": "Hi", "stream": stream, **ask}


# What comes of it.


@dataclass
class Played:
    """Everything that came of one request."""

    asked: Json
    sent: Json = field(default_factory=dict)
    """What the upstream was asked."""
    deltas: list[Delta] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)
    """The events, each as it was when it came."""
    response: Response | None = None
    error: ApiError | None = None


async def play(
    asked: Json,
    transport: Scripted,
    options: Options | None = None,
    limits: Limits = LIMITS,
    *,
    reads_events: bool = True,
) -> Played:
    """The whole path from a request to its events, with a remote upstream; or to a Response without them."""
    played = Played(asked)
    remote = RemoteUpstream(ChatCompletions(options or Options(), limits), transport, limits)
    run = make_run(plan(_RecordedUpstream(remote, played.deltas), **asked), limits)
    try:
        await run.open()
    except ApiError as error:
        played.error = error
        return played
    finally:
        played.sent = json.loads(transport.requests[-1].body)
    if reads_events:
        async for events in run.events():
            played.events += events
            played.encoded += map(encode, events)
    else:
        await run.finish()
    played.response = run.response
    return played


def play_script(name: str, *, stream: bool = True) -> Played:
    script = SCRIPTS[name]
    options = Options(inline_think=script.inline_think)
    limits = IMPATIENT if name in HANGING else LIMITS
    return asyncio.run(play(request_of(name, stream=stream), transport_of(script, stream=stream), options, limits))


def play_capture(name: str) -> Played:
    return asyncio.run(play(request_of(name, stream=name.endswith(".sse")), Scripted(captures()[name])))


class _RecordedUpstream:
    """An upstream whose deltas are recorded."""

    def __init__(self, upstream: Upstream, recorded: list[Delta]) -> None:
        self._upstream = upstream
        self._recorded = recorded

    async def open(self, turn: Turn) -> Deltas:
        return _RecordedDeltas(await self._upstream.open(turn), self._recorded)

    async def models(self, *_: Any) -> Any:
        """No test asks for it."""

    async def aclose(self) -> None:
        """Nothing is held."""


class _RecordedDeltas:
    def __init__(self, deltas: Deltas, recorded: list[Delta]) -> None:
        self._deltas = deltas
        self._recorded = recorded

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        batch = await anext(aiter(self._deltas))
        self._recorded += singly(batch)
        return batch

    async def aclose(self) -> None:
        await self._deltas.aclose()


# How it is written down.

MOVING = ("status", "completed_at", "error", "incomplete_details", "output", "usage")
"""What becomes of a Response in its life; all else in it is the request's echo."""


def transcript(played: Played, script: Script | None = None) -> str:
    """The whole story as text: one line for each thing that was sent, so that a difference is a few lines."""
    sections = {
        "asked": [_line(played.asked)],
        "sent": [_line(message) for message in [*played.sent["messages"], *played.sent["tools"]]]
        if isinstance(played.asked["input"], list)
        else [],
        "upstream": [*_upstream_lines(script)] if script else [],
        "deltas": [f"{type(delta).__name__} {_line(to_json(delta))}" for delta in played.deltas],
        "events": [*_events(played.events)],
        "response": [_moved(to_json(played.response))] if played.response else [],
        "refused": [*_refusal(played.error)] if played.error else [],
    }
    return "\n".join(f"== {title}\n" + "\n".join(lines) + "\n" for title, lines in sections.items() if lines)


def _upstream_lines(script: Script) -> Iterator[str]:
    for step in script.steps:
        if isinstance(step, Reply | Fail):
            reply = step if isinstance(step, Reply) else step.reply
            times = f" ({step.times} times)" if isinstance(step, Fail) else ""
            yield f"HTTP {reply.status}{times}"
            yield from (f"{name}: {value}" for name, value in reply.headers.items())
            yield reply.body if isinstance(reply.body, str) else _line(reply.body)
        if isinstance(step, Reply):
            return
    sent = bytes_of(script).decode(errors="backslashreplace").replace("\r", "\\r")
    yield from (line for line in sent.split("\n") if line not in {"", "\\r"})
    ends = [piece for piece in stream_of(script) if not isinstance(piece, bytes)]
    yield from (f"({'silence' if end is None else end})" for end in ends)


def _events(events: list[Event]) -> Iterator[str]:
    """An event a line; of a Response only what is news."""
    known: Json = {}
    for event in map(to_json, events):
        if response := event.get("response"):
            known = known or {key: value for key, value in response.items() if key not in {"id", "status"}}
            event["response"] = {key: value for key, value in response.items() if known.get(key, ...) != value}
            known = response
        yield _line(event)


def _refusal(error: ApiError) -> Iterator[str]:
    yield f"HTTP {error.status}"
    yield from (f"{name}: {value}" for name, value in error.headers())
    yield error.body().decode()


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _moved(response: Json) -> str:
    return json.dumps({key: response[key] for key in MOVING}, ensure_ascii=False, indent=1)
