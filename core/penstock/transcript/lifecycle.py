"""The state tables of a stream: which events are allowed in which state, for the response, its items and parts.

It knows states and event classes, and not the effects of events. One rule is not in the tables but in
`penstock.transcript.transcript`: an object may end only when all objects in it have ended.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from penstock import wire

Machine: TypeAlias = dict[str, dict[type[wire.Event], str]]
"""`machine[state][event class]` is the next state. An event without an entry is illegal."""

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
        wire.UnknownEvent: "in_progress",
        wire.AudioDelta: "in_progress",
        wire.AudioDone: "in_progress",
        wire.AudioTranscriptDelta: "in_progress",
        wire.AudioTranscriptDone: "in_progress",
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
_UNKNOWN_ITEM: Machine = {
    OPEN: {wire.OutputItemDone: DONE},
}

_SHELL_CALL: Machine = {
    OPEN: {wire.ShellCallCommandAdded: "command", wire.OutputItemDone: DONE},
    "command": {
        wire.ShellCallCommandDelta: "command",
        wire.ShellCallCommandDone: OPEN,
        wire.OutputItemDone: DONE,  # of a call that was cut short: an incomplete command is dropped
    },
}
_SHELL_CALL_OUTPUT: Machine = {
    OPEN: {
        wire.ShellCallOutputContentDelta: OPEN,
        wire.ShellCallOutputContentDone: OPEN,
        wire.OutputItemDone: DONE,
    },
}
# Calls that a server runs itself. Upstreams report different steps, so each but the last may be missing. Those that are
# reported are in order.
_WEB_SEARCH_CALL: Machine = {
    OPEN: {
        wire.WebSearchCallInProgress: OPEN,
        wire.WebSearchCallSearching: "searching",
        wire.WebSearchCallCompleted: "settled",
        wire.OutputItemDone: DONE,
    },
    "searching": {wire.WebSearchCallCompleted: "settled", wire.OutputItemDone: DONE},
    "settled": {wire.OutputItemDone: DONE},
}
_FILE_SEARCH_CALL: Machine = {
    OPEN: {
        wire.FileSearchCallInProgress: OPEN,
        wire.FileSearchCallSearching: "searching",
        wire.FileSearchCallCompleted: "settled",
        wire.OutputItemDone: DONE,
    },
    "searching": {wire.FileSearchCallCompleted: "settled", wire.OutputItemDone: DONE},
    "settled": {wire.OutputItemDone: DONE},
}
_CODE_INTERPRETER_CALL: Machine = {
    OPEN: {
        wire.CodeInterpreterCallInProgress: OPEN,
        wire.CodeInterpreterCallCodeDelta: OPEN,
        wire.CodeInterpreterCallCodeDone: "coded",
        wire.CodeInterpreterCallInterpreting: "interpreting",
        wire.CodeInterpreterCallCompleted: "settled",
        wire.OutputItemDone: DONE,
    },
    "coded": {
        wire.CodeInterpreterCallInProgress: "coded",
        wire.CodeInterpreterCallInterpreting: "interpreting",
        wire.CodeInterpreterCallCompleted: "settled",
        wire.OutputItemDone: DONE,
    },
    "interpreting": {wire.CodeInterpreterCallCompleted: "settled", wire.OutputItemDone: DONE},
    "settled": {wire.OutputItemDone: DONE},
}
_IMAGE_GENERATION_CALL: Machine = {
    OPEN: {
        wire.ImageGenerationCallInProgress: OPEN,
        wire.ImageGenerationCallGenerating: "generating",
        wire.ImageGenerationCallPartialImage: OPEN,
        wire.ImageGenerationCallCompleted: "settled",
        wire.OutputItemDone: DONE,
    },
    "generating": {
        wire.ImageGenerationCallPartialImage: "generating",
        wire.ImageGenerationCallCompleted: "settled",
        wire.OutputItemDone: DONE,
    },
    "settled": {wire.OutputItemDone: DONE},
}
_MCP_CALL: Machine = {
    OPEN: {
        wire.McpCallInProgress: OPEN,
        wire.McpCallArgumentsDelta: OPEN,
        wire.McpCallArgumentsDone: "calling",
        wire.McpCallCompleted: "settled",
        wire.McpCallFailed: "settled",
        wire.OutputItemDone: DONE,
    },
    "calling": {
        wire.McpCallInProgress: "calling",
        wire.McpCallCompleted: "settled",
        wire.McpCallFailed: "settled",
        wire.OutputItemDone: DONE,
    },
    "settled": {wire.OutputItemDone: DONE},
}
_MCP_LIST_TOOLS: Machine = {
    OPEN: {
        wire.McpListToolsInProgress: OPEN,
        wire.McpListToolsCompleted: "settled",
        wire.McpListToolsFailed: "settled",
        wire.OutputItemDone: DONE,
    },
    "settled": {wire.OutputItemDone: DONE},
}
_COMPACTION: Machine = {
    OPEN: {wire.CompactionCompacting: OPEN, wire.OutputItemDone: DONE},
}
_AT_ONCE: Machine = {
    OPEN: {wire.OutputItemDone: DONE},
}
"""For items without events of their own, which are complete when they are added."""

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
_UNKNOWN_PART: Machine = {
    OPEN: {wire.ContentPartDone: DONE, wire.ReasoningSummaryPartDone: DONE},
}

MACHINES: dict[type[Any], Machine] = {
    wire.Response: RESPONSE,
    wire.Message: _MESSAGE,
    wire.ReasoningItem: _REASONING,
    wire.FunctionCall: _FUNCTION_CALL,
    wire.CustomToolCall: _CUSTOM_TOOL_CALL,
    wire.LocalShellCall: _AT_ONCE,
    wire.LocalShellCallOutput: _AT_ONCE,
    wire.ShellCall: _SHELL_CALL,
    wire.ShellCallOutput: _SHELL_CALL_OUTPUT,
    wire.ApplyPatchCall: _AT_ONCE,
    wire.ApplyPatchCallOutput: _AT_ONCE,
    wire.ComputerCall: _AT_ONCE,
    wire.ComputerCallOutput: _AT_ONCE,
    wire.WebSearchCall: _WEB_SEARCH_CALL,
    wire.FileSearchCall: _FILE_SEARCH_CALL,
    wire.CodeInterpreterCall: _CODE_INTERPRETER_CALL,
    wire.ImageGenerationCall: _IMAGE_GENERATION_CALL,
    wire.McpCall: _MCP_CALL,
    wire.McpListTools: _MCP_LIST_TOOLS,
    wire.CompactionItem: _COMPACTION,
    wire.FunctionCallOutput: _AT_ONCE,
    wire.CustomToolCallOutput: _AT_ONCE,
    wire.McpApprovalRequest: _AT_ONCE,
    wire.McpApprovalResponse: _AT_ONCE,
    wire.Program: _AT_ONCE,
    wire.ProgramOutput: _AT_ONCE,
    wire.ToolSearchCall: _AT_ONCE,
    wire.ToolSearchOutput: _AT_ONCE,
    wire.AdditionalTools: _AT_ONCE,
    wire.UnknownItem: _UNKNOWN_ITEM,
    wire.OutputText: _OUTPUT_TEXT,
    wire.Refusal: _REFUSAL,
    wire.ReasoningText: _REASONING_TEXT,
    wire.SummaryText: _SUMMARY_TEXT,
    wire.UnknownPart: _UNKNOWN_PART,
}
"""The state machine of every class of objects in a stream."""
