"""A stream as it should be, written down by hand: reasoning, a message, a call of every kind."""

from __future__ import annotations

import json
from typing import Any

from support.tool_items import CUSTOMER, space

Json = dict[str, Any]

LOGPROB: Json = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
CITATION: Json = {
    "type": "url_citation",
    "url": "https://example.com",
    "title": "A",
    "start_index": 0,
    "end_index": 2,
}
USAGE: Json = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 7,
}
TOOLS: list[Json] = [
    {
        "type": "function",
        "name": "look",
        "description": None,
        "parameters": {"type": "object"},
        "strict": True,
    },
    {"type": "custom", "name": "note", "format": {"type": "text"}},
]
RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_700_000_000,
    "completed_at": 1_700_000_001,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": "Be brief.",
    "model": "any",
    "output": [],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "conversation": {"id": "conv_1"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "store": True,
    "background": False,
    "temperature": 1.0,
    "top_p": 1,
    "text": {"format": {"type": "text"}, "verbosity": "low"},
    "tools": TOOLS,
    "tool_choice": {"type": "function", "name": "look"},
    "truncation": "disabled",
    "usage": USAGE,
    "metadata": {"a": "b"},
    "max_output_tokens": 100,
    "max_tool_calls": None,
    "service_tier": "default",
    "top_logprobs": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "user": None,
}
BEGUN: Json = RESPONSE | {"status": "in_progress", "completed_at": None, "usage": None}


def item(index: int, opened: Json, closed: Json, between: list[Json]) -> list[Json]:
    """An item's events; `between` need not name their item."""
    inner = [event | {"item_id": opened["id"], "output_index": index} for event in between]
    added = {"type": "response.output_item.added", "output_index": index, "item": opened}
    done = {"type": "response.output_item.done", "output_index": index, "item": opened | closed}
    return [added, *inner, done]


def _part(opened: Json, closed: Json, between: list[Json], family: str = "content_part") -> list[Json]:
    index_key = "content_index" if family == "content_part" else "summary_index"
    added = {"type": f"response.{family}.added", "part": opened}
    done = {"type": f"response.{family}.done", "part": opened | closed}
    return [event | {index_key: 0} for event in (added, *between, done)]


def text(family: str, key: str, *pieces: str, **more: Any) -> list[Json]:
    deltas = [{"type": f"response.{family}.delta", "delta": piece} | more for piece in pieces]
    return [*deltas, {"type": f"response.{family}.done", key: "".join(pieces)} | more]


DONE = {"status": "completed"}
TEXT_OPEN = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
TEXT_DONE = {"text": "Hi", "annotations": [CITATION], "logprobs": [LOGPROB]}
ANNOTATION = {"type": "response.output_text.annotation.added", "annotation_index": 0, "annotation": CITATION}
THOUGHT, SUMMARY = {"type": "reasoning_text", "text": ""}, {"type": "summary_text", "text": ""}


def pending(id: str, kind: str, **fields: Any) -> Json:
    return {"id": id, "type": kind, "status": "in_progress"} | fields


ITEMS: list[list[Json]] = [
    item(
        0,
        pending("rs_1", "reasoning", summary=[], content=[]),
        DONE | {"summary": [SUMMARY | {"text": "Hm"}], "content": [THOUGHT | {"text": "So, well"}]},
        _part(THOUGHT, {"text": "So, well"}, text("reasoning_text", "text", "So, ", "well"))
        + _part(
            SUMMARY,
            {"text": "Hm"},
            text("reasoning_summary_text", "text", "Hm"),
            "reasoning_summary_part",
        ),
    ),
    item(
        1,
        pending("msg_1", "message", role="assistant", content=[]),
        DONE | {"content": [TEXT_OPEN | TEXT_DONE]},
        _part(
            TEXT_OPEN,
            TEXT_DONE,
            [
                {"type": "response.output_text.delta", "delta": "H", "logprobs": []},
                {
                    "type": "response.output_text.delta",
                    "delta": "i",
                    "logprobs": [LOGPROB],
                    "obfuscation": "xx",
                },
                ANNOTATION,
                {"type": "response.output_text.done", "text": "Hi", "logprobs": [LOGPROB]},
            ],
        ),
    ),
    item(
        2,
        pending("fc_1", "function_call", call_id="call_1", name="look", arguments=""),
        DONE | {"arguments": '{"a":1}'},
        [
            {"type": "response.function_call_arguments.delta", "delta": '{"a"'},
            {"type": "response.function_call_arguments.delta", "delta": ":1}"},
            {"type": "response.function_call_arguments.done", "arguments": '{"a":1}', "name": "look"},
        ],
    ),
    item(
        3,
        pending("ctc_1", "custom_tool_call", call_id="call_2", name="note", input=""),
        DONE | {"input": "ab"},
        text("custom_tool_call_input", "input", "a", "b"),
    ),
]
COMMANDS = ["ls -l", ""]
SHELL_OUTPUT: Json = {"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}


def _command(index: int, whole: str) -> list[Json]:
    deltas: list[Json] = [{"type": "response.shell_call_command.delta", "delta": whole}] if whole else []
    events = [
        {"type": "response.shell_call_command.added", "command": ""},
        *deltas,
        {"type": "response.shell_call_command.done", "command": whole},
    ]
    return [event | {"command_index": index} for event in events]


def _unnamed(events: list[Json]) -> list[Json]:
    """Events of a command do not contain their item's id."""
    for event in events:
        if event["type"].startswith("response.shell_call_command"):
            del event["item_id"]
    return events


LOCAL: Json = {"environment": {"type": "local"}}
SHELL: Json = {"commands": COMMANDS, "timeout_ms": None, "max_output_length": 100}
ITEMS += [
    item(
        4,
        pending("lsh_1", "local_shell_call", call_id="call_3", action={"type": "exec", "command": ["ls"], "env": {}}),
        DONE,
        [],
    ),
    _unnamed(
        item(
            5,
            pending("sh_1", "shell_call", call_id="call_4", action=SHELL | {"commands": []}, **LOCAL),
            DONE | {"action": SHELL},
            [event for index, command in enumerate(COMMANDS) for event in _command(index, command)],
        )
    ),
    item(
        6,
        pending("sho_1", "shell_call_output", call_id="call_4", output=[], max_output_length=100),
        DONE | {"output": [SHELL_OUTPUT]},
        [
            {"type": "response.shell_call_output_content.delta", "command_index": 0, "delta": {"stdout": "a"}},
            {"type": "response.shell_call_output_content.done", "command_index": 0, "output": [SHELL_OUTPUT]},
        ],
    ),
    item(
        7,
        pending("apc_1", "apply_patch_call", call_id="call_5", operation={"type": "delete_file", "path": "a"}),
        DONE,
        [],
    ),
    item(
        8,
        pending(
            "cu_1",
            "computer_call",
            call_id="call_6",
            actions=[{"type": "click", "button": "left", "x": 1, "y": 2}, {"type": "wait"}],
            pending_safety_checks=[],
        ),
        DONE,
        [],
    ),
    item(
        9,
        pending("tsc_1", "tool_search_call", call_id="call_7", execution="client", arguments={"query": "a"}),
        DONE,
        [],
    ),
    item(
        10,
        pending("tso_1", "tool_search_output", call_id="call_7", execution="client", tools=[space(CUSTOMER)]),
        DONE,
        [],
    ),
    item(11, {"id": "at_1", "type": "additional_tools", "role": "developer", "tools": [CUSTOMER]}, {}, []),
]
OUTPUT: list[Json] = [events[-1]["item"] for events in ITEMS]


def numbered(events: list[Json]) -> list[Json]:
    return [event | {"sequence_number": number} for number, event in enumerate(events)]


def stream(items: list[list[Json]] = ITEMS) -> list[Json]:
    """A response whose output is these items, each as its events."""
    output = [events[-1]["item"] for events in items]
    events = [
        {"type": "response.created", "response": BEGUN},
        {"type": "response.in_progress", "response": BEGUN},
        *(event for events in items for event in events),
        {"type": "response.completed", "response": RESPONSE | {"output": output}},
    ]
    copied: list[Json] = json.loads(json.dumps(numbered(events)))  # by far faster than deepcopy
    return copied
