"""Wrong requests without end: valid ones, changed at random places in every way that has ever broken a server.

The same seed gives the same requests, on every machine. Knows JSON text, not structs: much of it is no JSON at all.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from support import hosted, tool_items
from support.actions import ACTIONS, asked
from support.scripts import NOTE, WEATHER

Json = dict[str, Any]

SUMMARY = "compaction:anonymous:" + b'{"summary":"One was asked.","before":[]}'.hex()
THOUGHTS = "reasoning:anonymous:" + b'{"content":["Hm"]}'.hex()
"""As the sealer of `core.kit` seals for who has no key."""
IMAGE = "data:image/png;base64,AA=="

TEXT: Json = {"type": "input_text", "text": "Hi"}
NEW: Json = {"type": "mood", "mood": {"calm": 0.5}}
HOSTED: list[Json] = [events[-1]["item"] for events in hosted.ITEMS.values()]
"""A call of every hosted tool, as another server made it."""

VALID: list[Json] = [
    {"input": "Hi"},
    {"input": [{"role": "user", "content": "Hi"}], "stream": True},
    {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Ä"}]},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look"},
                    {"type": "input_image", "image_url": IMAGE, "detail": "low"},
                    {"type": "input_file", "filename": "a.txt", "file_data": "AA=="},
                    {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                ],
            },
        ],
    },
    {
        "input": [
            {"role": "user", "content": "Weather?"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
            {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}", "status": "completed"},
            {"type": "custom_tool_call", "call_id": "d", "name": "take_note", "input": "x"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "21"}]},
            {"type": "custom_tool_call_output", "call_id": "d", "output": "done"},
            {
                "type": "message",
                "role": "assistant",
                "id": "msg_1",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "21", "annotations": [], "logprobs": []},
                    {"type": "refusal", "refusal": "No."},
                ],
            },
        ],
        "tools": [WEATHER, NOTE],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "get_weather"}],
        },
        "parallel_tool_calls": False,
        "stream": True,
    },
    *(asked(action) | {"stream": True} for action in ACTIONS.values()),
    {
        "input": [tool_items.QUESTION, *tool_items.CALLED, *tool_items.SEARCHED, tool_items.ADDED],
        "tools": [tool_items.HIDDEN, tool_items.SEARCH],
    },
    {
        "input": "Hi",
        "tools": [
            WEATHER,
            {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"}},
            {"type": "namespace", "name": "n", "description": "", "tools": [WEATHER]},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "function", "name": "get_weather"},
        "max_tool_calls": 3,
    },
    {
        "input": "Hi",
        "text": {
            "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
            "verbosity": "low",
        },
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "top_logprobs": 5,
        "stream_options": {"include_usage": True, "include_obfuscation": True},
        "stream": True,
    },
    {
        "input": "Hi",
        "temperature": 1,
        "top_p": 0.5,
        "max_output_tokens": 16,
        "metadata": {"a": "b"},
        "truncation": "auto",
        "service_tier": "auto",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "implicit"},
        "user": "u",
        "seed": 1,
        "stop": ["a", "b"],
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": -1,
        "frequency_penalty": 1,
        "logit_bias": {"1": 5},
        "store": False,
        "background": False,
        "context_management": [{"type": "compaction", "compact_threshold": 100}],
    },
    {
        "input": [
            {"role": "user", "content": "One?"},
            {"type": "compaction", "id": "cmp_1", "encrypted_content": SUMMARY},
            {"type": "reasoning", "summary": [], "encrypted_content": THOUGHTS},
            {"role": "assistant", "content": "One."},
            {"type": "compaction_trigger"},
        ],
    },
    {
        "input": [*HOSTED, NEW, {"role": "user", "content": [{"type": "input_smell", "of": "rain"}, TEXT], "new": 1}],
        "tools": [
            {"type": "image_generation"},
            {"type": "shell", "environment": {"type": "container_auto"}},
            {"type": "smell", "range_m": 3},
            WEATHER,
        ],
        "new_word": {"a": [1]},
    },
    {"input": [*HOSTED, {"role": "user", "content": "Hi"}], "truncation": "auto", "stream": True},
    {"input": "Hi", "tools": [{"type": "mcp", "server_label": "s", "authorization": "t", "headers": {"a": "b"}}]},
    {"previous_response_id": "resp_1", "input": "Hi"},
    {"conversation": {"id": "conv_1"}, "input": "Hi"},
    {"prompt": {"id": "p", "variables": {"a": "b"}}, "input": [{"id": "msg_1"}]},
]

# Values that are seldom right; as JSON text, since some cannot be written otherwise.
VALUES: list[str] = [
    *("null", "true", "false", "0", "-1", "1", "2.5", "-0.0", "1e308", "1e400", "-1e400", "9007199254740993"),
    *("9" * 30, "9" * 500, "9" * 4_000, "1" + "0" * 400 + ".5", "NaN", "Infinity", "-Infinity", "01", "+1", "0x1"),
    *('""', '"x"', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\q"', '"\t"', "'x'", '"'),
    *('"auto"', '"none"', '"required"', '"function"', '"message"', '"item_reference"', '"resp_1"', '"😀"'),
    *("[]", "{}", "[[]]", "[null]", '{"": null}', '{"type": null}', '{"type": "x"}', '{"a": 1, "a": 2}', "[1,]", "{,}"),
    '"' + "x" * 100_000 + '"',
    "[" * 10_000 + "]" * 10_000,
    "[" * 10_000,
    '{"a":' * 10_000 + "1" + "}" * 10_000,
    "[" + "{}," * 6_000 + "{}]",
    "{" + ",".join(f'"k{number}": {number}' for number in range(2_000)) + "}",
]
BYTES: list[bytes] = [
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\\",
    b'"',
    b"}",
    b"{",
    b",",
    b"\n",
    b"\x7f",
]

Location = tuple[Any, Any]
"""Something that holds, and the key or index of what it holds."""
Mutation = Callable[[Random, Json], None]


def bodies(count: int, seed: int) -> Iterator[bytes]:
    """So many request bodies, some of them right."""
    rng = Random(seed)
    for _ in range(count):
        yield mutated(rng, rng.choice(VALID))


def mutated(rng: Random, valid: Json) -> bytes:
    """A body that was right, and is so now and then."""
    request = copy.deepcopy(valid)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(rng, request)
    body = _written(rng, request)
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        body = rng.choice(BREAKAGES)(rng, body)
    return body


# Changes of the content.


class Verbatim(str):
    """JSON text that stands for itself."""

    __slots__ = ()


def locations(value: Any) -> Iterator[Location]:
    """Every location within a request."""
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield value, key
        yield from locations(inner)


def _any_location(rng: Random, request: Json) -> Location:
    found = list(locations(request))
    return rng.choice(found) if found else (request, "input")


def _replace(rng: Random, request: Json) -> None:
    holder, key = _any_location(rng, request)
    holder[key] = Verbatim(rng.choice(VALUES))


def _remove(rng: Random, request: Json) -> None:
    holder, key = _any_location(rng, request)
    if isinstance(holder, list) or key in holder:
        del holder[key]


def _move(rng: Random, request: Json) -> None:
    """Something that is right elsewhere."""
    (holder, key), (other, name) = _any_location(rng, request), _any_location(rng, copy.deepcopy(request))
    holder[key] = other.get(name) if isinstance(other, dict) else other[name]


def _borrow(rng: Random, request: Json) -> None:
    """Something that is right in another request."""
    other = copy.deepcopy(rng.choice(VALID))
    name = rng.choice(list(other))
    request[name] = other[name]


def _rename(rng: Random, request: Json) -> None:
    holder, key = _any_location(rng, request)
    if isinstance(holder, dict) and key in holder:
        holder[rng.choice(["", "x", "type", "typ", f"{key} ", "a\r\nb: c", "ключ", "id", "name"])] = holder.pop(key)


def _repeat(rng: Random, request: Json) -> None:
    holder, key = _any_location(rng, request)
    if isinstance(holder, list):
        holder.extend([holder[key]] * rng.choice((1, 5, 200)))


def _wrap(rng: Random, request: Json) -> None:
    holder, key = _any_location(rng, request)
    if isinstance(holder, list) or key in holder:
        holder[key] = rng.choice(([holder[key]], {"type": holder[key]}, {"x": holder[key]}))


MUTATIONS: list[Mutation] = [_replace, _replace, _replace, _remove, _move, _borrow, _rename, _repeat, _wrap]


def _written(rng: Random, request: Json) -> bytes:
    """The request as text; what stands for itself is put in afterwards."""
    verbatim: list[str] = []

    def marked(value: Any) -> Any:
        if isinstance(value, Verbatim):
            verbatim.append(value)
            return f"\x00{len(verbatim) - 1}\x00"
        if isinstance(value, dict):
            return {key: marked(inner) for key, inner in value.items()}
        return [marked(inner) for inner in value] if isinstance(value, list) else value

    style: Json = rng.choice([{}, {"ensure_ascii": False}, {"indent": 2}, {"separators": (",", ":")}])
    text = json.dumps(marked(request), **style)
    for number, value in enumerate(verbatim):
        text = text.replace(f'"\\u0000{number}\\u0000"', value)
    return text.encode("utf-8", "surrogatepass")


# Changes of the form.


def _cut(rng: Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def _insert(rng: Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.choice(BYTES) + body[at:]


def _overwrite(rng: Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.choice(BYTES) + body[at + 1 :]


def _add_key(rng: Random, body: bytes) -> bytes:
    """A key that may be there already, or that is unknown."""
    key = rng.choice(["input", "stream", "tools", "temperature", "x", "messages", "a\\r\\nb: c", "\\u0000"])
    return body.replace(b"{", f'{{"{key}": {rng.choice(VALUES)}, '.encode("utf-8", "surrogatepass"), 1)


def _encode_otherwise(rng: Random, body: bytes) -> bytes:
    return body.decode("utf-8", "replace").encode(rng.choice(["utf-16", "utf-32-le", "utf-8-sig"]))


BREAKAGES: list[Callable[[Random, bytes], bytes]] = [
    _cut,
    _insert,
    _overwrite,
    _overwrite,
    _add_key,
    _add_key,
    _encode_otherwise,
]
