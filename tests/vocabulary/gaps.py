"""Where our vocabulary and the `openai` package's differ, and why.

A difference that is gone must leave this page.
Paths are those of `words.py`; each stands here in full, so that a word which is lost again cannot hide.
"""

from __future__ import annotations

from collections.abc import Iterable

Gaps = dict[str, str]


def because(reason: str, where: str, names: str) -> Gaps:
    return {where + name: reason for name in names.split()}


def both_ways(reason: str, names: str) -> Gaps:
    """Items that go both ways."""
    return because(reason, "input/", names) | because(reason, "output/", names)


def together(groups: Iterable[Gaps]) -> Gaps:
    merged: Gaps = {}
    for group in groups:
        assert not merged.keys() & group.keys(), merged.keys() & group.keys()
        merged |= group
    return merged


# They have it, we lack it.
MISSING: Gaps = together(
    [
        because("a service of OpenAI's own", "", "compact/image compacted/image"),
    ]
)

ONE_CLASS = "one class serves input, where this may be left out, and output, where it never is"
ONE_SEARCH = "one struct for the tool's four names: what they do not share is only echoed"
SAMPLING = "sampling parameters of other servers, passed on to the backend"
PADDING = "the API's reference has it: padding, when asked for"
OPEN_RESPONSES = "Open Responses has it among its keys"
AGENTS = "agents leave it out when they send back what another server said"
HOSTED_CALLS = "web_search_call file_search_call code_interpreter_call image_generation_call"


def keys_of(mark: str, items: str, keys: str) -> str:
    """Each of these keys of each of these items."""
    return " ".join(f"{item}/{key}{mark}" for item in items.split() for key in keys.split())


# We have it, they lack it.
EXTRA: Gaps = together(
    [
        because("one more event when stream_options.include_usage asks for it", "", "event/response.usage"),
        because("asks for `response.usage`", "", "stream_options/include_usage"),
        because("every parameter is echoed", "", "response/background_options"),
        because("marks usage that the upstream never gave", "", "usage/estimated"),
        because("the API's reference has it", "", "event/response.function_call_arguments.done/name"),
        {
            f"event/response.{stem}.delta/obfuscation": PADDING
            for stem in (
                "audio",
                "audio.transcript",
                "code_interpreter_call_code",
                "custom_tool_call_input",
                "function_call_arguments",
                "mcp_call_arguments",
                "output_text",
                "reasoning_summary_text",
                "reasoning_text",
                "refusal",
            )
        },
        because(
            SAMPLING,
            "request/",
            "frequency_penalty presence_penalty repetition_penalty logit_bias min_p top_k seed stop",
        ),
        because(OPEN_RESPONSES, "response/", "frequency_penalty presence_penalty"),
        because("the API echoes it", "response/", "store"),
        because(
            "every item has a status",
            "",
            "input/custom_tool_call/status input/custom_tool_call_output/status output/custom_tool_call/status",
        ),
        because("agents send it with every request", "compact/", "parallel_tool_calls reasoning text tools"),
        because("the same tiers as for a response", "compact/service_tier=", "scale ultrafast"),
        because(ONE_CLASS, "", "input/reasoning/id? output/reasoning/id?"),
        both_ways(ONE_CLASS, "local_shell_call/id? local_shell_call/status? local_shell_call_output/id?"),
        both_ways("the API's reference names the call by it", "local_shell_call_output/call_id"),
        both_ways(ONE_CLASS, "computer_call/id? computer_call/status?"),
        because(
            ONE_CLASS,
            "output/",
            "shell_call/id? shell_call/status? shell_call_output/id? shell_call_output/status?"
            " apply_patch_call/id? apply_patch_call_output/id?"
            " computer_call_output/id? computer_call_output/status?"
            " tool_search_call/id? tool_search_call/status? tool_search_call/execution?"
            " tool_search_output/id? tool_search_output/status? tool_search_output/execution?"
            " additional_tools/id?",
        ),
        because(
            "one class serves input and output, where OpenAI says more",
            "input/",
            "shell_call/created_by shell_call_output/created_by apply_patch_call/created_by"
            " apply_patch_call_output/created_by computer_call_output/created_by computer_call_output/status=failed"
            " tool_search_call/created_by tool_search_output/created_by",
        ),
        because(ONE_CLASS, "output/message/", "id? status? role=developer role=system role=user"),
        because(ONE_CLASS, "output/", keys_of("?", "function_call_output custom_tool_call_output", "id status")),
        because(ONE_CLASS, "output/", "compaction/id? mcp_approval_response/id?"),
        both_ways(AGENTS, keys_of("?", HOSTED_CALLS + " program_output", "id status")),
        both_ways(AGENTS, keys_of("?", "mcp_call mcp_approval_request mcp_list_tools program", "id")),
        both_ways(AGENTS, "web_search_call/action?"),
        both_ways("`include` has a word for it; the package forgot the key", "web_search_call/results"),
        because(
            "one class serves input and output, where it is",
            "input/",
            keys_of("", "compaction function_call_output custom_tool_call_output", "created_by"),
        ),
        both_ways("items of lists have it", keys_of("", "function_call custom_tool_call", "created_by")),
        because("the package has the part, and forgot it in its union", "part/", "input_audio"),
        because("the tool's newer name, by which clients choose it", "tool_choice/", "web_search"),
        because(ONE_SEARCH, "tool/web_search/", "return_token_budget search_content_types"),
        because(ONE_SEARCH, "tool/web_search_2025_08_26/", "return_token_budget search_content_types"),
        *(
            because(ONE_SEARCH, f"tool/{name}/", "external_web_access filters return_token_budget")
            for name in ("web_search_preview", "web_search_preview_2025_03_11")
        ),
    ]
)
