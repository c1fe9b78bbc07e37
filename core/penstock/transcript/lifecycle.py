"""The grammar of a stream as tables: which event may follow in which state, for the response, its items and parts.

It knows states and event classes, and nothing of what events do. An object may end only when everything within it
has ended; that one rule is not in the tables but in `penstock.transcript.transcript`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from penstock import wire

Machine: TypeAlias = dict[str, dict[type[wire.Event], str]]
"""`machine[state][event class]` is the next state; an event without an entry is illegal."""

OPEN = "open"
DONE = "done"

_ENDINGS: dict[type[wire.Event], str] = {
    wire.Completed: "completed",
    wire.Incomplete: "incomplete",
    wire.Failed: "failed",
}
TERMINAL = frozenset(_ENDINGS.values())

RESPONSE: Machine = {
    "new": {wire.Created: "created", wire.Queued: "queued"},
    "created": {wire.Queued: "queued", wire.InProgress: "in_progress", wire.Failed: "failed"},
    "queued": {wire.InProgress: "in_progress", wire.Failed: "failed"},
    "in_progress": {
        wire.OutputItemAdded: "in_progress",
        wire.UsageReported: "reported",
        wire.Error: "erring",
        **_ENDINGS,
    },
    "reported": _ENDINGS,
    "erring": {wire.Failed: "failed"},
}

_MESSAGE: Machine = {
    OPEN: {wire.ContentPartAdded: OPEN, wire.OutputItemDone: DONE},
}
_REASONING: Machine = {
    OPEN: {
        wire.ContentPartAdded: OPEN,
        wire.ReasoningSummaryPartAdded: OPEN,
        wire.OutputItemDone: DONE,
    },
}
_FUNCTION_CALL: Machine = {
    OPEN: {wire.FunctionCallArgumentsDelta: OPEN, wire.FunctionCallArgumentsDone: "settled"},
    "settled": {wire.OutputItemDone: DONE},
}
_CUSTOM_TOOL_CALL: Machine = {
    OPEN: {wire.CustomToolCallInputDelta: OPEN, wire.CustomToolCallInputDone: "settled"},
    "settled": {wire.OutputItemDone: DONE},
}

_ACTION: Machine = {OPEN: {wire.OutputItemDone: DONE}}
"""An item that is whole when it begins."""
_SHELL_CALL: Machine = {
    OPEN: {wire.ShellCallCommandAdded: "command", wire.OutputItemDone: DONE},
    "command": {
        wire.ShellCallCommandDelta: "command",
        wire.ShellCallCommandDone: OPEN,
        wire.OutputItemDone: DONE,  # of a call that was cut: what is no whole command is none
    },
}
_SHELL_CALL_OUTPUT: Machine = {
    OPEN: {
        wire.ShellCallOutputContentDelta: OPEN,
        wire.ShellCallOutputContentDone: OPEN,
        wire.OutputItemDone: DONE,
    },
}

_OUTPUT_TEXT: Machine = {
    OPEN: {
        wire.OutputTextDelta: OPEN,
        wire.OutputTextAnnotationAdded: OPEN,
        wire.OutputTextDone: "settled",
    },
    "settled": {wire.ContentPartDone: DONE},
}
_REFUSAL: Machine = {
    OPEN: {wire.RefusalDelta: OPEN, wire.RefusalDone: "settled"},
    "settled": {wire.ContentPartDone: DONE},
}
_REASONING_TEXT: Machine = {
    OPEN: {wire.ReasoningTextDelta: OPEN, wire.ReasoningTextDone: "settled"},
    "settled": {wire.ContentPartDone: DONE},
}
_SUMMARY_TEXT: Machine = {
    OPEN: {wire.ReasoningSummaryTextDelta: OPEN, wire.ReasoningSummaryTextDone: "settled"},
    "settled": {wire.ReasoningSummaryPartDone: DONE},
}

MACHINES: dict[type[Any], Machine] = {
    wire.Response: RESPONSE,
    wire.Message: _MESSAGE,
    wire.ReasoningItem: _REASONING,
    wire.FunctionCall: _FUNCTION_CALL,
    wire.CustomToolCall: _CUSTOM_TOOL_CALL,
    wire.LocalShellCall: _ACTION,
    wire.LocalShellCallOutput: _ACTION,
    wire.ShellCall: _SHELL_CALL,
    wire.ShellCallOutput: _SHELL_CALL_OUTPUT,
    wire.ApplyPatchCall: _ACTION,
    wire.ApplyPatchCallOutput: _ACTION,
    wire.ComputerCall: _ACTION,
    wire.ComputerCallOutput: _ACTION,
    wire.ToolSearchCall: _ACTION,
    wire.ToolSearchOutput: _ACTION,
    wire.AdditionalTools: _ACTION,
    wire.OutputText: _OUTPUT_TEXT,
    wire.Refusal: _REFUSAL,
    wire.ReasoningText: _REASONING_TEXT,
    wire.SummaryText: _SUMMARY_TEXT,
}
"""The machine of every object that a stream may open."""
