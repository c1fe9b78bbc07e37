"""Hostile bodies: every field of every route, filled with what could cost more than its size suggests.

A shape makes a body of about as many bytes as it is asked for. Most are refused; none may be dear.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, get_args

import msgspec

from penstock.wire import (
    CompactResponse,
    ContentPart,
    CreateConversation,
    CreateConversationItems,
    CreateResponse,
    InputItem,
    Tool,
    UpdateConversation,
)

Fill: TypeAlias = Callable[[int], bytes]


class Shape(NamedTuple):
    """A request. `kind` is the upstream's: `chat`, `responses`, or the built-in model, `synthetic`."""

    kind: str
    path: str
    body: Fill


def repeated(piece: bytes, size: int) -> bytes:
    """The piece again and again, separated by commas."""
    return b",".join([piece] * max(size // (len(piece) + 1), 1))


def numbered(form: bytes, size: int) -> bytes:
    """The same with a number in each."""
    return b",".join([form % number for number in range(max(size // (len(form) + 4), 1))])


FILLS: dict[str, Fill] = {
    "empty objects": lambda size: b"[%b]" % repeated(b"{}", size),
    "numbers": lambda size: b"[%b]" % repeated(b"1234567890", size),
    "strings": lambda size: b"[%b]" % repeated(b'"a"', size),
    "keys": lambda size: b"{%b}" % numbered(b'"k%d":0', size),
    "one key again and again": lambda size: b"{%b}" % repeated(b'"type":"a"', size),
    "depth": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "a string": lambda size: b'"%b"' % (b"a, {[" * (size // 5)),
    "spaces": lambda size: b'"%b"' % (b" " * size),
    "escapes": lambda size: b'"%b"' % (b"\\u00e9\\\\\\n" * (size // 10)),
    "letters of four bytes": lambda size: b'"%b"' % ("\U0001f600".encode() * (size // 4)),
    "digits": lambda size: b"1" * size,
    "a fraction": lambda size: b"0." + b"1" * size,
    "an exponent": lambda size: b"1e" + b"9" * size,
    "empty lists": lambda size: b"[%b]" % repeated(b"[]", size),
    "unknown entries": lambda size: b"[%b]" % repeated(b'{"type":"new","text":"Hello"}', size),
}
ALL_IN = ("input", "items", "tools", "text", "unknown")
"""The fields that hold most: every filling is tried in them, and a few in each of the others."""

ROUTES: dict[str, tuple[type[msgspec.Struct], dict[str, Any]]] = {
    "/responses": (CreateResponse, {"model": "m", "input": "Hi"}),
    "/responses/compact": (CompactResponse, {"model": "m", "input": "Hi"}),
    "/conversations": (CreateConversation, {}),
    "/conversations/conv_1": (UpdateConversation, {}),
    "/conversations/conv_1/items": (CreateConversationItems, {}),
}
RELAYED = ("/chat/completions", "/completions", "/embeddings", "/rerank")
SYNTHETIC = {"model": "synthetic"}
SERVED: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/completions": {"prompt": "Hi"},
    "/embeddings": {"input": "Hi"},
    "/tokenize": {"prompt": "Hi"},
    "/detokenize": {"tokens": [1]},
}
"""What the built-in model answers beside `/responses`."""
LARGE_IN = ("tools", "tool_choice", "response_format", "stop", "logit_bias", "metadata", "unknown")
"""The other fields of a chat that hold lists and objects."""


def body_of(fixed: dict[str, Any], name: str, fill: Fill) -> Fill:
    """An object with one field that is filled."""
    given = json.dumps({key: value for key, value in fixed.items() if key != name}).encode()[:-1]
    comma = b"," if len(given) > 1 else b""
    return lambda size: b'%b%b"%b":%b}' % (given, comma, name.encode(), fill(size))


def fields(struct: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(struct) if not field.encode_name.startswith("$")]


def few(number: int, count: int) -> Iterator[tuple[str, Fill]]:
    """Some of the fillings: by turns, so that all of them are tried."""
    names = [*FILLS]
    for index in range(count):
        name = names[(number * count + index) % len(names)]
        yield name, FILLS[name]


def of_routes() -> Iterator[tuple[str, Shape]]:
    """Every field of the body of every route, and one that there is not."""
    for path, (struct, fixed) in ROUTES.items():
        for number, field in enumerate([*fields(struct), "unknown"]):
            for name, fill in few(number, 3) if field not in ALL_IN else FILLS.items():
                yield f"{path} {field}: {name}", Shape("chat", path, body_of(fixed, field, fill))
    for path in RELAYED:
        for number, field in enumerate(("model", "stream", "messages")):
            for name, fill in few(number, 5):
                yield f"{path} {field}: {name}", Shape("chat", path, body_of({"model": "m"}, field, fill))


def of_served() -> Iterator[tuple[str, Shape]]:
    """The large fields of the bodies that the built-in model reads as a server of Chat Completions does."""
    for path, fixed in SERVED.items():
        for number, field in enumerate([*fixed, *(LARGE_IN if "messages" in fixed else ())]):
            for name, fill in FILLS.items() if field in fixed else few(number, 1):
                yield (
                    f"served {path} {field}: {name}",
                    Shape("synthetic", path, body_of(SYNTHETIC | fixed, field, fill)),
                )
    message = body_of(SYNTHETIC, "messages", lambda size: b"[%b]" % repeated(MESSAGE, size))
    yield "served /chat/completions: messages", Shape("synthetic", "/chat/completions", message)
    yield "served /tokenize: messages", Shape("synthetic", "/tokenize", message)
    tokens = body_of(SYNTHETIC, "tokens", lambda size: b"[%b]" % repeated(b"1768320365", size))
    yield "served /detokenize: tokens", Shape("synthetic", "/detokenize", tokens)
    prompts = body_of(SYNTHETIC, "input", lambda size: b"[%b]" % repeated(b'"%b"' % (b"a" * 100), size))
    yield "served /embeddings: inputs", Shape("synthetic", "/embeddings", prompts)


def of_structs() -> Iterator[tuple[str, Shape]]:
    """Every field of every item, part and tool."""
    for union, hold in ((InputItem, b"%b"), (ContentPart, b'{"role":"user","content":[%b]}'), (Tool, b"%b")):
        for struct in get_args(union):
            tag = "new" if struct.__struct_config__.tag.startswith("$") else struct.__struct_config__.tag
            where = "tools" if union is Tool else "input"
            for number, field in enumerate(fields(struct)):
                for name, fill in few(number, 1):
                    inner = body_of({"type": tag}, field, fill)
                    yield f"{tag} {field}: {name}", _held(where, hold, inner)


def _held(where: str, hold: bytes, inner: Fill) -> Shape:
    fixed = {"model": "m"} if where == "input" else {"model": "m", "input": "Hi"}
    return Shape("chat", "/responses", body_of(fixed, where, lambda size: b"[%b]" % (hold % inner(size))))


MESSAGE = b'{"role":"user","content":"Hi"}'
TYPED = b'{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}'
CALLS = (
    b'{"type":"function_call","call_id":"c%d","name":"f","arguments":"{}"},'
    b'{"type":"function_call_output","call_id":"c%d","output":"ok"}'
)
FUNCTION = b'{"type":"function","name":"f%d","parameters":{"type":"object"}}'
LISTS: dict[str, Fill] = {
    "messages": lambda size: repeated(MESSAGE, size),
    "messages with a type": lambda size: repeated(TYPED, size),
    "messages with an id": lambda size: numbered(b'{"id":"msg_%d","role":"user","content":"Hi"}', size),
    "answers": lambda size: repeated(b'{"role":"assistant","content":"Hi"}', size),
    "instructions": lambda size: repeated(b'{"role":"system","content":"Hi"}', size),
    "thoughts": lambda size: repeated(b'{"type":"reasoning","id":"r","summary":[]}', size),
    "references": lambda size: numbered(b'{"id":"msg_%d"}', size),
    "items of a new type": lambda size: numbered(b'{"type":"new_%d","text":"Hello"}', size),
    "items with a new key": lambda size: numbered(b'{"role":"user","content":"Hi","new_%d":0}', size),
    "calls": lambda size: b",".join([CALLS % (n, n) for n in range(max(size // 130, 1))]),
    "calls of one id": lambda size: repeated(CALLS % (0, 0), size),
    "outputs before calls": lambda size: b",".join(
        [b'{"type":"function_call_output","call_id":"c%d","output":"ok"}' % n for n in range(size // 130)]
        + [b'{"type":"function_call","call_id":"c%d","name":"f","arguments":"{}"}' % n for n in range(size // 130)]
    ),
    "approvals": lambda size: b",".join(
        [
            b'{"type":"mcp_approval_request","id":"mcpr_%d","server_label":"l","name":"f","arguments":"{}"}' % n
            for n in range(size // 190)
        ]
        + [
            b'{"type":"mcp_approval_response","approval_request_id":"mcpr_%d","approve":false}' % n
            for n in range(size // 190)
        ]
    ),
    "lists of MCP servers": lambda size: numbered(
        b'{"type":"mcp_list_tools","id":"mcpl_%d","server_label":"l","tools":[{"name":"f","input_schema":{}}]}', size
    ),
    "compactions": lambda size: repeated(b'{"type":"compaction","encrypted_content":"a"}', size),
    "additional tools": lambda size: repeated(
        b'{"type":"additional_tools","role":"developer","tools":[%b]}' % numbered(FUNCTION, 20_000), size
    ),
    "parts": lambda size: b'{"role":"user","content":[%b]}' % repeated(b'{"type":"input_text","text":"a"}', size),
    "images": lambda size: (
        b'{"role":"user","content":[%b]}' % repeated(b'{"type":"input_image","image_url":"data:,a"}', size)
    ),
    "parts of a new type": lambda size: (
        b'{"role":"user","content":[%b]}' % numbered(b'{"type":"new_%d","text":"Hello"}', size)
    ),
    "parts of an output": lambda size: (
        b'{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},'
        b'{"type":"function_call_output","call_id":"c","output":[%b]}'
        % repeated(b'{"type":"input_text","text":"a"}', size)
    ),
    "logprobs": lambda size: (
        b'{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[%b]}]}'
        % repeated(b'{"token":"a","logprob":0,"bytes":[],"top_logprobs":[]}', size)
    ),
}
SERVER = b'{"type":"mcp","server_label":"l","server_url":"https://a.example/",%b}'
CHOSEN: dict[str, Fill] = {
    "allowed tools": lambda size: (
        b'[%b],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[%b]}'
        % (numbered(FUNCTION, 20_000), repeated(b'{"type":"function","name":"f1"}', size))
    ),
    "headers of a server": lambda size: b"[%b]" % (SERVER % (b'"headers":{%b}' % numbered(b'"h%d":"a"', size))),
}
"""What stands in `tools`, with what follows it."""
PROPERTIES = b'{"type":"object","properties":{%b}}'
SCHEMAS: dict[str, Fill] = {
    "properties": lambda size: PROPERTIES % numbered(b'"p%d":{"type":"string"}', size),
    "required": lambda size: b'{"type":"object","required":[%b]}' % numbered(b'"p%d"', size),
    "types": lambda size: b'{"type":[%b],"required":["a"]}' % repeated(b'"object"', size),
    "enumerations": lambda size: b'{"allOf":[%b]}' % repeated(b'{"enum":[%b]}' % numbered(b"%d", size // 2), size),
    "ways": lambda size: b'{"allOf":[%b]}' % repeated(b'{"anyOf":[{"minimum":1},{"maximum":9}]}', size),
    "empty schemas": lambda size: b'{"anyOf":[%b]}' % repeated(b"{}", size),
    "merged properties": lambda size: b'{"allOf":[%b]}' % numbered(b'{"properties":{"p%d":{}}}', size),
    "references": lambda size: (
        b'{"$defs":{"a":%b},"anyOf":[%b]}'
        % (PROPERTIES % numbered(b'"p%d":{}', size // 2), numbered(b'{"$ref":"#/$defs/a?%d"}', size // 2))
    ),
    "a pattern": lambda size: (
        b'{"type":"array","minItems":9999,"items":{"type":"string","pattern":"%b"}}' % (b"[a-z]" * 190)
    ),
    "a long pattern": lambda size: b'{"type":"string","pattern":"%b"}' % (b"(a|b)*" * (size // 6)),
    "a long enumeration": lambda size: b'{"enum":[%b]}' % numbered(b'"v%d"', size),
    "multiples": lambda size: b'{"type":"integer","allOf":[%b]}' % numbered(b'{"multipleOf":9999999%d7}', size),
    "depth": lambda size: b'{"items":' * 200 + b"{}" + b"}" * 200,
}


def of_lists() -> Iterator[tuple[str, Shape]]:
    """Many items, parts and tools that are well formed, for each kind of model; and the schemas of the built-in one."""
    for name, fill in LISTS.items():
        body = body_of({"model": "m"}, "input", lambda size, fill=fill: b"[%b]" % fill(size))  # type: ignore[misc]
        for kind in ("chat", "responses", "synthetic"):
            yield f"{kind}: {name}", Shape(kind, "/responses", _named(body, kind))
        for path in ("/responses/input_tokens", "/responses/compact"):
            yield f"{path}: {name}", Shape("synthetic", path, _named(body, "synthetic"))
    tools = body_of({"model": "m", "input": "f1"}, "tools", lambda size: b"[%b]" % numbered(FUNCTION, size))
    yield "chat: tools", Shape("chat", "/responses", tools)
    for name, fill in CHOSEN.items():
        body = body_of({"model": "m", "input": "f1"}, "tools", lambda size, fill=fill: fill(size))  # type: ignore[misc]
        yield f"chat: {name}", Shape("chat", "/responses", body)
    for name, fill in SCHEMAS.items():
        form = {
            "model": "synthetic",
            "input": "Hi",
            "text": {"format": {"type": "json_schema", "name": "a", "schema": "?"}},
        }
        called = {"model": "synthetic", "input": "f", "tools": [{"type": "function", "name": "f", "parameters": "?"}]}
        for where, fixed in (("answer", form), ("call", called)):
            yield f"synthetic {where}: {name}", Shape("synthetic", "/responses", _filled(fixed, fill))


def _named(body: Fill, kind: str) -> Fill:
    return (lambda size: body(size).replace(b'"m"', b'"synthetic"', 1)) if kind == "synthetic" else body


def _filled(fixed: dict[str, Any], fill: Fill) -> Fill:
    before, _, after = json.dumps(fixed).encode().partition(b'"?"')
    return lambda size: before + fill(size) + after


SHAPES: dict[str, Shape] = {**dict(of_routes()), **dict(of_served()), **dict(of_structs()), **dict(of_lists())}
