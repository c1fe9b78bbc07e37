"""The vocabulary writes what it has read, and everything of it."""

import json
import re
from typing import Any, get_args

import msgspec
import pytest

from core.kit import Json, encode, from_json, skeleton, to_json
from penstock import wire
from requirements import shows
from support import hosted, samples, tool_items
from support.oracle import PROMISED, check_response

EVENTS = get_args(wire.StreamEvent)
OTHER_NAMES = {wire.UsageReported: "Usage is what it reports", wire.UnknownEvent: "it stands for any type"}

ITEMS: list[Json] = [
    {"type": "message", "role": "user", "content": ""},
    {"type": "message", "role": "system", "content": [{"type": "input_text", "text": ""}]},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_image", "detail": "low", "image_url": "https://example.com/a.png"},
            {"type": "input_image", "detail": None, "file_id": "file_1"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_file", "file_url": "https://example.com/a.pdf"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ],
    },
    {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "a", "annotations": [samples.CITATION], "logprobs": [samples.LOGPROB]},
            {"type": "refusal", "refusal": "no"},
        ],
        "phase": "final_answer",
    },
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None},
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": ""}],
        "content": [{"type": "reasoning_text", "text": "x"}],
    },
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
    {"type": "function_call_output", "call_id": "c", "output": ""},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
    {"type": "custom_tool_call", "id": None, "call_id": "c", "name": "f", "input": ""},
    {"type": "custom_tool_call_output", "call_id": "c", "output": "", "caller": {"type": "direct"}},
    {"type": "item_reference", "id": "msg_1"},
    {"type": "local_shell_call_output", "id": "call_1", "output": ""},
    {
        "type": "local_shell_call",
        "id": "lsh_1",
        "status": "completed",
        "call_id": "c",
        "action": {
            "type": "exec",
            "command": ["ls"],
            "env": {"A": "b"},
            "timeout_ms": None,
            "user": "root",
            "working_directory": "/",
        },
    },
    {
        "type": "shell_call",
        "call_id": "c",
        "action": {"commands": ["ls"], "timeout_ms": 1, "max_output_length": None},
        "environment": {"type": "container_reference", "container_id": "cntr_1"},
    },
    {
        "type": "shell_call_output",
        "call_id": "c",
        "output": [
            {"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
            {"stdout": "", "stderr": "b", "outcome": {"type": "timeout"}, "created_by": "x"},
        ],
        "max_output_length": 5,
    },
    *(
        {"type": "apply_patch_call", "status": "completed", "call_id": "c", "operation": operation}
        for operation in (
            {"type": "create_file", "path": "a", "diff": "+a"},
            {"type": "update_file", "path": "a", "diff": "@@"},
            {"type": "delete_file", "path": "a"},
        )
    ),
    {"type": "apply_patch_call_output", "status": "failed", "call_id": "c", "output": None},
    {
        "type": "computer_call",
        "call_id": "c",
        "actions": [
            {"type": "click", "button": "wheel", "x": 1, "y": 2, "keys": ["SHIFT"]},
            {"type": "double_click", "x": 1, "y": 2, "keys": None},
            {"type": "drag", "path": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]},
            {"type": "keypress", "keys": ["CTRL", "C"]},
            {"type": "move", "x": 1, "y": 2},
            {"type": "screenshot"},
            {"type": "scroll", "x": 1, "y": 2, "scroll_x": 0, "scroll_y": -5},
            {"type": "type", "text": "a"},
            {"type": "wait"},
        ],
        "pending_safety_checks": [{"id": "sc_1", "code": "c", "message": None}],
    },
    {"type": "computer_call", "call_id": "c", "action": {"type": "wait"}, "pending_safety_checks": []},
    {
        "type": "computer_call_output",
        "call_id": "c",
        "output": {"type": "computer_screenshot", "image_url": "https://example.com/a.png"},
        "acknowledged_safety_checks": [{"id": "sc_1"}],
    },
    *tool_items.SEARCHED,
    {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": ["a", 1.50], "created_by": "x"},
    {"type": "tool_search_output", "execution": None, "tools": [{"type": "web_search"}]},
    tool_items.ADDED,
    *tool_items.CALLED,
    *tool_items.NOTED,
    {"type": "web_search_call", "action": {"type": "open_page", "url": "https://example.com", "new": [1]}},
    {"type": "web_search_call", "id": None, "status": "completed"},
    {"type": "web_search_call", "status": "failed", "results": [{"title": "A"}]},
    {"type": "image_generation_call", "result": None, "status": "failed", "error": {"message": "no", "type": "x"}},
    {"type": "mcp_list_tools", "server_label": "s", "tools": [], "error": None},
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    {"type": "compaction", "encrypted_content": "x"},
    {"type": "compaction_trigger"},
    {"type": "configuration_update", "reasoning": {"effort": "low"}, "text": {"format": {"type": "text"}}},
    *(events[-1]["item"] for events in hosted.ITEMS.values()),
]


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_comes_back_as_it_was_sent(item: Json) -> None:
    assert to_json(from_json(item, wire.InputItem)) == item


@pytest.mark.parametrize("event", samples.stream())
def test_an_event_comes_back_with_every_key_that_it_had(event: Json) -> None:
    struct = from_json(event, wire.StreamEvent)
    assert msgspec.json.decode(encode(struct), type=wire.StreamEvent) == struct
    assert _lost(event, to_json(struct)) == []


RELAYED: Json = {
    "access_programs": {"cyber": "standard"},
    "input_transformations": [
        {"id": "rs_1", "action": "removed", "reason": "model_mismatch", "type": "reasoning"},
    ],
    "moderation": {
        "input": {"type": "error", "code": "a", "message": "b"},
        "output": {"type": "error", "code": "a", "message": "b"},
    },
    "prompt_cache_diagnostics": {"type": "cache_hit"},
    "tool_usage": {
        "image_gen": {
            "input_tokens": 1,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 1},
            "output_tokens": 1,
            "total_tokens": 2,
        },
        "web_search": {"num_requests": 1},
    },
    "usage": samples.USAGE
    | {
        "input_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 2,
            "cache_write_tokens_details": {"ttl_12h_tokens": 1, "ttl_30m_tokens": 1},
        }
    },
}
FAILED: Json = {
    "status": "failed",
    "completed_at": None,
    "error": {
        "code": "misalignment_policy_violation",
        "message": "no",
        "param": None,
        "type": "x",
        "misalignment": {"steer": None},
    },
}


@pytest.mark.parametrize(
    "more",
    [
        RELAYED,
        FAILED,
        {"status": "incomplete", "completed_at": None, "incomplete_details": {"reason": "max_messages"}},
    ],
)
def test_a_response_of_openais_comes_back_with_every_key_that_it_had(more: Json) -> None:
    """Of what only its own services send, too."""
    sent = check_response(samples.RESPONSE | more)
    assert _lost(sent, check_response(to_json(from_json(sent, wire.Response)))) == []


def test_what_was_not_set_is_absent() -> None:
    assert to_json(wire.Message(role="user", content="")) == {"type": "message", "role": "user", "content": ""}


@shows("numbers")
def test_zeros_and_empty_values_are_written() -> None:
    """A client that gets no `sequence_number` aborts the turn, and 0 is one."""
    event = wire.OutputTextDelta(sequence_number=0, item_id="", output_index=0, content_index=0, delta="")
    assert to_json(event) == {
        "type": "response.output_text.delta",
        "sequence_number": 0,
        "item_id": "",
        "output_index": 0,
        "content_index": 0,
        "delta": "",
        "logprobs": [],
    }
    usage = to_json(wire.Usage(input_tokens=0, output_tokens=0, total_tokens=0))
    assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}
    assert usage["output_tokens_details"] == {"reasoning_tokens": 0}


@shows("every-key")
def test_a_response_has_every_key_from_its_beginning() -> None:
    assert not set(PROMISED["Response"]) - to_json(skeleton()).keys()


def test_what_is_only_forwarded_stays_the_bytes_that_were_sent() -> None:
    sent = b'{"type":"function","name":"f","description":null,"parameters":{"a": 1e400, "a":  [ ]},"strict":null}'
    assert encode(msgspec.json.decode(sent, type=wire.Tool)) == sent


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: str(cls.__name__))
def test_an_event_is_named_after_its_type(cls: type[wire.Event]) -> None:
    kind = str(cls.__struct_config__.tag)
    name = "".join(word.title() for word in re.split(r"[._]", kind.removeprefix("response.")))
    assert cls.__name__ == name or cls in OTHER_NAMES


def _lost(sent: Any, got: Any, path: str = "$") -> list[str]:
    """Where something that was sent did not come back; more may have come."""
    if isinstance(sent, dict) and isinstance(got, dict):
        return [location for key in sent for location in _lost(sent[key], got.get(key, ...), f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(got, list) and len(sent) == len(got):
        pairs = zip(sent, got, strict=True)
        return [location for index, (a, b) in enumerate(pairs) for location in _lost(a, b, f"{path}[{index}]")]
    return [] if sent == got else [f"{path}: {json.dumps(sent)} became {got!r}"]
