"""The turns of the fake upstream's model that calls a tool: `tool-200` calls the first tool that a request offers.

It knows the fields of a request that decide it, and builds the reply in both languages. It never opens a socket.
"""

from typing import Any

import msgspec
import orjson

from bench import bodies

CALL_ID = "call_bench_1"
ARGUMENTS = '{"text":"rivers"}'
USAGE = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}


class Function(msgspec.Struct, frozen=True):
    """The function of a tool of Chat Completions."""

    name: str


class Tool(msgspec.Struct, frozen=True):
    """A tool of either language."""

    name: str = ""
    function: Function | None = None


class Part(msgspec.Struct, frozen=True):
    """A message of Chat Completions, or an item of Responses."""

    role: str = ""
    type: str = ""


class Turn(msgspec.Struct, frozen=True):
    """What decides whether the model calls a tool."""

    tools: list[Tool] | None = None
    messages: list[Part] | None = None
    input: list[Part] | str | None = None


TURN = msgspec.json.Decoder(Turn)


def called(body: bytes) -> str:
    """Return the name of the function to call; nothing where the model has read an output, or has no tools."""
    turn = TURN.decode(body)
    parts = turn.messages or (turn.input if isinstance(turn.input, list) else None) or []
    if not turn.tools or any(part.role == "tool" or part.type == "function_call_output" for part in parts):
        return ""
    first = turn.tools[0]
    return first.function.name if first.function else first.name


def chat_call(model: str, name: str) -> bytes:
    """Return a completion that calls a function."""
    message = {"role": "assistant", "content": None, "tool_calls": [_chat(name)]}
    return orjson.dumps(_completion(model, "chat.completion", "message", message) | {"usage": USAGE})


def chat_call_events(model: str, name: str) -> list[bytes]:
    """Return the same as a stream of one chunk."""
    delta = {"role": "assistant", "tool_calls": [_chat(name) | {"index": 0}]}
    chunk = _completion(model, "chat.completion.chunk", "delta", delta) | {"usage": USAGE}
    return [bodies.data(chunk) + bodies.SSE_END]


def response_call(name: str) -> bytes:
    """Return a Response that calls a function."""
    return orjson.dumps(_response(name))


def response_call_events(name: str) -> list[bytes]:
    """Return the same as a stream."""
    item = _item(name)
    begun = bodies.response(0, "in_progress")
    where = {"output_index": 0, "item_id": item["id"]}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"arguments": ""}},
        {"type": "response.function_call_arguments.delta", "delta": ARGUMENTS} | where,
        {"type": "response.function_call_arguments.done", "arguments": ARGUMENTS, "name": name} | where,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": _response(name)},
    ]
    return [bodies.event(event | {"sequence_number": number}) for number, event in enumerate(events)]


def _chat(name: str) -> dict[str, Any]:
    return {"id": CALL_ID, "type": "function", "function": {"name": name, "arguments": ARGUMENTS}}


def _completion(model: str, kind: str, field: str, value: object) -> dict[str, Any]:
    head = {"id": "chatcmpl-bench", "object": kind, "created": bodies.CREATED_AT_S, "model": model}
    return head | {"choices": [{"index": 0, field: value, "finish_reason": "tool_calls"}]}


def _item(name: str) -> dict[str, Any]:
    call = {"id": "fc_bench", "type": "function_call", "status": "completed", "call_id": CALL_ID}
    return call | {"name": name, "arguments": ARGUMENTS}


def _response(name: str) -> dict[str, Any]:
    return bodies.response(0) | {"output": [_item(name)]}
