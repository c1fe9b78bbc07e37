"""Items that a server makes by itself, each as its events, written by hand: calls of hosted tools,
and items that come whole."""

from __future__ import annotations

from typing import Any

from support.samples import DONE, Json, item, pending, text

ACTION: Json = {
    "type": "search",
    "query": "rivers",
    "queries": ["rivers"],
    "sources": [{"type": "url", "url": "https://example.com/rivers"}],
}
FOUND: list[Json] = [{"file_id": "file_1", "filename": "rivers.md", "score": 0.5, "text": "Long.", "attributes": {}}]
OUTPUTS: list[Json] = [{"type": "logs", "logs": "4\n"}, {"type": "image", "url": "https://example.com/plot.png"}]
ERROR: Json = {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "No."}]}
MCP: Json = {"server_label": "maps", "name": "route", "arguments": ""}


def steps(family: str, *names: str) -> list[Json]:
    """Events that contain no more than their names."""
    return [{"type": f"response.{family}.{name}"} for name in names]


def whole(kind: str, id: str, **fields: Any) -> Json:
    """An item without a status."""
    return {"id": id, "type": kind} | fields


def at_once(one: Json) -> list[Json]:
    """An item that is added whole."""
    return item(0, one, {}, [])


ITEMS: dict[str, list[Json]] = {
    "web search": item(
        0,
        pending("ws_1", "web_search_call", action={"type": "search"}),
        DONE | {"action": ACTION},
        steps("web_search_call", "in_progress", "searching", "completed"),
    ),
    "file search": item(
        0,
        pending("fs_1", "file_search_call", queries=["rivers"], results=None),
        DONE | {"results": FOUND},
        steps("file_search_call", "in_progress", "searching", "completed"),
    ),
    "code interpreter": item(
        0,
        pending("ci_1", "code_interpreter_call", container_id="cntr_1", code=None, outputs=None),
        DONE | {"code": "2 + 2", "outputs": OUTPUTS},
        [
            *steps("code_interpreter_call", "in_progress"),
            *text("code_interpreter_call_code", "code", "2 +", " 2"),
            *steps("code_interpreter_call", "interpreting", "completed"),
        ],
    ),
    "image generation": item(
        0,
        pending("ig_1", "image_generation_call", result=None),
        DONE | {"result": "AAAA", "revised_prompt": "A river.", "output_format": "png", "size": "1024x1024"},
        [
            *steps("image_generation_call", "in_progress", "generating"),
            *(
                {
                    "type": "response.image_generation_call.partial_image",
                    "partial_image_index": index,
                    "partial_image_b64": "AA==",
                }
                for index in range(2)
            ),
            *steps("image_generation_call", "completed"),
        ],
    ),
    "MCP tools": item(
        0,
        whole("mcp_list_tools", "mcpl_1", server_label="maps", tools=[]),
        {"tools": [{"name": "route", "input_schema": {"type": "object"}}]},
        steps("mcp_list_tools", "in_progress", "completed"),
    ),
    "no MCP tools": item(
        0,
        whole("mcp_list_tools", "mcpl_2", server_label="maps", tools=[]),
        {"error": "gone"},
        steps("mcp_list_tools", "in_progress", "failed"),
    ),
    "MCP call": item(
        0,
        pending("mcp_1", "mcp_call", **MCP, output=None, error=None, approval_request_id="mcpr_1"),
        DONE | {"arguments": '{"to":"sea"}', "output": "Follow it."},
        [
            *steps("mcp_call", "in_progress"),
            *text("mcp_call_arguments", "arguments", '{"to":', '"sea"}'),
            *steps("mcp_call", "completed"),
        ],
    ),
    "MCP call that fails": item(
        0,
        pending("mcp_2", "mcp_call", **MCP),
        {"status": "failed", "arguments": "{}", "error": ERROR},
        [*text("mcp_call_arguments", "arguments", "{}"), *steps("mcp_call", "in_progress", "failed")],
    ),
    "MCP approval": at_once(whole("mcp_approval_request", "mcpr_1", **MCP | {"arguments": "{}"})),
    "MCP consent": at_once(
        whole("mcp_approval_response", "mcpa_1", approval_request_id="mcpr_1", approve=False, reason="No.")
    ),
    "compaction": item(
        0,
        whole("compaction", "cmp_1", encrypted_content=""),
        {"encrypted_content": "sealed", "created_by": "someone"},
        steps("compaction", "compacting"),
    ),
    "program": at_once(whole("program", "prog_1", call_id="call_1", code="1", fingerprint="f")),
    "program's output": at_once(DONE | whole("program_output", "progo_1", call_id="call_1", result="1")),
    "function's output": at_once(DONE | whole("function_call_output", "fco_1", call_id="call_1", output="x")),
    "local shell's output": at_once(DONE | whole("local_shell_call_output", "lsho_1", call_id="call_1", output="x")),
    "patch's output": at_once(
        {"status": "failed"} | whole("apply_patch_call_output", "apco_1", call_id="call_1", output="No such file.")
    ),
    "computer's output": at_once(
        DONE
        | whole(
            "computer_call_output",
            "cuo_1",
            call_id="call_1",
            output={"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="},
        )
    ),
    "custom tool's output": at_once(DONE | whole("custom_tool_call_output", "ctco_1", call_id="call_1", output="x")),
}
AUDIO: list[Json] = [
    {"type": "response.audio.delta", "delta": "AA=="},
    {"type": "response.audio.transcript.delta", "delta": "Hi"},
    {"type": "response.audio.transcript.done"},
    {"type": "response.audio.done"},
]
"""Speech, which belongs to no item."""
