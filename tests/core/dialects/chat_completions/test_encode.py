"""Items become messages, settings become fields: every row of the contract that a chat model can be sent."""

import json
from typing import Any

import pytest

from core.kit import LIMITS, Json, plan
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import Policies
from penstock.errors import ApiError
from penstock.returned import KEY
from requirements import shows


def encode(options: Options | None = None, policies: Policies | None = None, **request: Any) -> Json:
    """The body that an upstream gets for a request."""
    sent = ChatCompletions(options or Options(), LIMITS).encode(plan(policies=policies, **request).turn)
    assert (sent.method, sent.path) == ("POST", "/chat/completions")
    body: Json = json.loads(sent.body)
    return body


def messages(*items: Json, options: Options | None = None, **request: Any) -> list[Json]:
    found: list[Json] = encode(options, input=list(items), **request)["messages"]
    return found


def message_by(role: str, content: Any) -> Json:
    return {"role": role, "content": content}


def call(call_id: str = "c", name: str = "f", arguments: str = "{}") -> Json:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def gave(output: Any = "done", call_id: str = "c") -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def called(*calls: tuple[str, str, str], **fields: Any) -> Json:
    functions = [
        {"type": "function", "id": call_id, "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    ]
    return {"role": "assistant", **fields, "tool_calls": functions}


def tool(content: str = "done", call_id: str = "c") -> Json:
    return {"role": "tool", "content": content, "tool_call_id": call_id}


def answer(**fields: Any) -> Json:
    return {"type": "mcp_approval_response", "approval_request_id": "r", **fields}


def approved_call(**fields: Any) -> Json:
    of_request = {"server_label": "s", "name": "f", "arguments": "{}", "approval_request_id": "r"}
    return {"type": "mcp_call", "id": "mcp_1", **of_request, **fields}


def thought(text: str) -> Json:
    return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


C = ("c", "f", "{}")
D = ("d", "g", '{"n":1}')
R = ("mcp_1", "s__f", "{}")
R_UNRUN = ("r", "s__f", "{}")
ASK = {"type": "mcp_approval_request", "id": "r", "server_label": "s", "name": "f", "arguments": "{}"}
USER, ASSISTANT = message_by("user", "Hi"), message_by("assistant", "Hello")
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TEXT, TEXT_PART = {"type": "input_text", "text": "Look"}, {"type": "text", "text": "Look"}
NAMELESS = {
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "x", "sources": [{"type": "url", "url": "https://a.b"}]},
}
SEARCH = NAMELESS | {"id": "ws_1"}
SEARCHED = ("ws_1", "web_search", '{"query":"x"}')
FOUND = "Sources:\nhttps://a.b"
ATTACHED = "[1 attachment(s) of this result follow in the next user message]"

MESSAGES: dict[str, tuple[list[Json], list[Json]]] = {
    # messages
    "a string": ([message_by("user", "Hi")], [USER]),
    "one text part": ([message_by("user", [{"type": "input_text", "text": "Hi"}])], [USER]),
    "parts": ([message_by("user", [TEXT, IMAGE])], [message_by("user", [TEXT_PART, IMAGE_PART])]),
    "an image with detail": (
        [message_by("user", [IMAGE | {"detail": "low"}])],
        [message_by("user", [{"type": "image_url", "image_url": {**IMAGE_PART["image_url"], "detail": "low"}}])],
    ),
    "an image by default": ([message_by("user", [IMAGE | {"detail": "auto"}])], [message_by("user", [IMAGE_PART])]),
    "a file": (
        [message_by("user", [{"type": "input_file", "filename": "a.pdf", "file_data": "AA=="}])],
        [message_by("user", [{"type": "file", "file": {"file_data": "AA==", "filename": "a.pdf"}}])],
    ),
    "a file by id": (
        [message_by("user", [{"type": "input_file", "file_id": "file_1"}])],
        [message_by("user", [{"type": "file", "file": {"file_id": "file_1"}}])],
    ),
    "audio": (
        [message_by("user", [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}])],
        [message_by("user", [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}])],
    ),
    "a developer": ([message_by("developer", "Be brief.")], [message_by("system", "Be brief.")]),
    "an answer of ours": (
        [
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                **message_by(
                    "assistant", [{"type": "output_text", "text": "Hel"}, {"type": "refusal", "refusal": "lo"}]
                ),
            }
        ],
        [ASSISTANT],
    ),
    "answers one after the other": ([ASSISTANT, ASSISTANT], [ASSISTANT, ASSISTANT]),
    "an empty answer": ([message_by("assistant", [])], [message_by("assistant", "")]),
    # calls
    "a call": ([call(), gave()], [called(C), tool()]),
    "a call with text before it": ([ASSISTANT, call(), gave()], [called(C, content="Hello"), tool()]),
    "calls of one turn": (
        [call(), call("d", "g", '{"n":1}'), gave(), gave("too", "d")],
        [called(C, D), tool(), tool("too", "d")],
    ),
    "outputs in another order": (
        [call(), call("d", "g", '{"n":1}'), gave("too", "d"), gave()],
        [called(C, D), tool(), tool("too", "d")],
    ),
    "calls of two turns": (
        [call(), gave(), call("d", "g", '{"n":1}'), gave("too", "d")],
        [called(C), tool(), called(D), tool("too", "d")],
    ),
    "a message between a call and its output": ([call(), USER, gave()], [called(C), tool(), USER]),
    "a system message between them": (
        [call(), message_by("system", "S"), gave()],
        [called(C), tool(), message_by("system", "S")],
    ),
    "an answer after a call": ([call(), gave(), ASSISTANT], [called(C), tool(), ASSISTANT]),
    "an answer between a call and its output": ([call(), ASSISTANT, gave()], [called(C), tool(), ASSISTANT]),
    "an output before its call": ([gave(), call(), USER], [called(C), tool(), USER]),
    "an id that comes again": (
        [call(), gave(), call("c", "g", '{"n":1}'), gave("too"), USER],
        [called(C), tool(), called(("c", "g", '{"n":1}')), tool("too"), USER],
    ),
    "an id that comes again before it was answered": (
        [call(), USER, call("c", "g", '{"n":1}'), gave("second"), gave("first")],
        [called(C), tool("first"), USER, called(("c", "g", '{"n":1}')), tool("second")],
    ),
    "one id for calls side by side": (
        [call(), call("c", "g", '{"n":1}'), gave("first"), gave("second")],
        [called(C, ("c", "g", '{"n":1}')), tool("first"), tool("second")],
    ),
    "a message between calls and outputs of one id": (
        [call(), USER, gave("1"), call(), USER, gave("2")],
        [called(C), tool("1"), USER, called(C), tool("2"), USER],
    ),
    "a custom call by the id of a function's": (
        [
            call(),
            gave(),
            {"type": "custom_tool_call", "call_id": "c", "name": "note", "input": "a"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "noted"},
        ],
        [called(C), tool(), called(("c", "note", '{"input":"a"}')), tool("noted")],
    ),
    "an output in parts": ([call(), gave([TEXT, TEXT])], [called(C), tool("Look\nLook")]),
    "an output without anything": ([call(), gave([])], [called(C), tool("")]),
    "an image in an output": (
        [call(), gave([TEXT, IMAGE])],
        [called(C), tool(f"Look\n{ATTACHED}"), message_by("user", [IMAGE_PART])],
    ),
    "images in the outputs of one turn": (
        [call(), call("d", "g", '{"n":1}'), gave([IMAGE]), gave([IMAGE], "d"), USER],
        [called(C, D), tool(ATTACHED), tool(ATTACHED, "d"), message_by("user", [IMAGE_PART, IMAGE_PART]), USER],
    ),
    "a custom call": (
        [
            {"type": "custom_tool_call", "call_id": "c", "name": "note", "input": 'a "b"'},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
        ],
        [called(("c", "note", '{"input":"a \\"b\\""}')), tool()],
    ),
    # calls that are their own outputs
    "a search": ([USER, SEARCH, ASSISTANT], [USER, called(SEARCHED), tool(FOUND, "ws_1"), ASSISTANT]),
    "a search after words": ([ASSISTANT, SEARCH], [called(SEARCHED, content="Hello"), tool(FOUND, "ws_1")]),
    "a search beside a call": (
        [call(), SEARCH, gave()],
        [called(C, SEARCHED), tool(), tool(FOUND, "ws_1")],
    ),
    "a search after a thought": (
        [thought("Hm"), SEARCH],
        [called(SEARCHED, reasoning_content="Hm"), tool(FOUND, "ws_1")],
    ),
    "searches without ids": (
        [USER, NAMELESS, NAMELESS, USER, NAMELESS],
        [
            USER,
            called(("call_1_0", *SEARCHED[1:]), ("call_1_1", *SEARCHED[1:])),
            tool(FOUND, "call_1_0"),
            tool(FOUND, "call_1_1"),
            USER,
            called(("call_5_0", *SEARCHED[1:])),
            tool(FOUND, "call_5_0"),
        ],
    ),
    "the same search twice": (
        [SEARCH, USER, SEARCH],
        [called(SEARCHED), tool(FOUND, "ws_1"), USER, called(SEARCHED), tool(FOUND, "ws_1")],
    ),
    "an image that was made": (
        [{"type": "image_generation_call", "id": "ig_1", "result": "AA==", "status": "completed"}, USER],
        [
            called(("ig_1", "image_generation", '{"prompt":""}')),
            tool(f"The image was made.\n{ATTACHED}", "ig_1"),
            message_by("user", [IMAGE_PART]),
            USER,
        ],
    ),
    "a program and its output": (
        [
            {"type": "program", "call_id": "c", "code": "1", "fingerprint": "f"},
            {"type": "program_output", "call_id": "c", "result": "done"},
        ],
        [called(("c", "programmatic_tool_calling", '{"code":"1"}')), tool()],
    ),
    "what says nothing to a model": (
        [
            call(),
            {"type": "mcp_list_tools", "server_label": "s", "tools": []},
            {"type": "configuration_update"},
            call("d", "g", '{"n":1}'),
            gave(),
            gave("too", "d"),
        ],
        [called(C, D), tool(), tool("too", "d")],
    ),
    "a call that was approved, beside one of the client's": (
        [
            call(),
            ASK,
            gave(),
            answer(approve=True),
            approved_call(output="made"),
            call("d", "g", '{"n":1}'),
            gave("x", "d"),
        ],
        [called(C, R), tool(), tool("made", "mcp_1"), called(D), tool("x", "d")],
    ),
    "a call that was declined": (
        [USER, ASK, answer(approve=False, reason="too dear"), call(), gave()],
        [USER, called(R_UNRUN), tool("The call was declined: too dear", "r"), called(C), tool()],
    ),
    "a call that was declined without a reason": (
        [ASK, answer(approve=False)],
        [called(R_UNRUN), tool("The call was declined, and was not run.", "r")],
    ),
    "a question that got no answer": (
        [call(), gave(), ASK, USER],
        [called(C), tool(), called(R_UNRUN), tool("The call was not approved, and was not run.", "r"), USER],
    ),
    "an approved call that never ended": (
        [ASK, answer(approve=True), USER],
        [called(R_UNRUN), tool("The call was approved, but it has not ended.", "r"), USER],
    ),
    # thoughts
    "a thought before an answer": ([thought("Hm"), ASSISTANT], [ASSISTANT | {"reasoning_content": "Hm"}]),
    "a thought before a call": ([thought("Hm"), call(), gave()], [called(C, reasoning_content="Hm"), tool()]),
    "a thought before text and call": (
        [thought("Hm"), ASSISTANT, call(), gave()],
        [called(C, reasoning_content="Hm", content="Hello"), tool()],
    ),
    "two thoughts": ([thought("a"), thought("b"), ASSISTANT], [ASSISTANT | {"reasoning_content": "a\nb"}]),
    "a thought after an answer": (
        [ASSISTANT, thought("Hm"), ASSISTANT],
        [ASSISTANT, ASSISTANT | {"reasoning_content": "Hm"}],
    ),
    "a thought that led to nothing": ([thought("Hm"), USER], [USER]),
    "a sealed thought": (
        [{"type": "reasoning", "summary": [], "encrypted_content": "x"}, call(), gave()],
        [called(C), tool()],
    ),
}


@shows("mcp-declined")
@pytest.mark.parametrize(("items", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_items_become_messages(items: list[Json], expected: list[Json]) -> None:
    assert messages(*items) == expected


def test_a_plain_input_is_a_message_of_the_user() -> None:
    assert encode(input="Hi")["messages"] == [USER]
    assert encode(input="Hi", instructions="S")["messages"] == [message_by("system", "S"), USER]
    assert encode(input="Hi", instructions="")["messages"] == [USER]


FAULTS: dict[str, tuple[list[Json], str, str]] = {
    "a call without output": ([USER, call()], "input[1]", "No tool output found for call_id 'c'"),
    "an output without call": ([USER, gave()], "input[1]", "No tool call found for the output with call_id 'c'"),
    "two outputs": ([call(), gave(), gave()], "input[2].call_id", "More than one output for call_id 'c'"),
    "two calls": ([call(), USER, call(), gave()], "input[0]", "No tool output found for call_id 'c'"),
    "one call too many": ([call(), gave(), call()], "input[2]", "No tool output found for call_id 'c'"),
    "one output too many": (
        [call(), gave(), USER, call(), gave(), gave()],
        "input[5].call_id",
        "More than one output for call_id 'c'",
    ),
    "a custom output of no call": (
        [{"type": "custom_tool_call_output", "call_id": "x", "output": ""}],
        "input[0]",
        "call_id 'x'",
    ),
    "a program without output": (
        [{"type": "program", "call_id": "c", "code": "1", "fingerprint": "f"}],
        "input[0]",
        "No tool output found for call_id 'c'",
    ),
    "an output for a search": ([SEARCH, gave(call_id="ws_1")], "input[1]", "No tool call found"),
    "an image by id": (
        [USER, message_by("user", [TEXT, {"type": "input_image", "file_id": "f"}])],
        "input[1].content[1].image_url",
        "not by 'file_id'",
    ),
    "a file by URL": (
        [message_by("user", [{"type": "input_file", "file_url": "https://a.b"}])],
        "input[0].content[0].file_data",
        "not by 'file_url'",
    ),
    "an image of nothing": (
        [message_by("user", [{"type": "input_image"}])],
        "input[0].content[0].image_url",
        "Missing required parameter",
    ),
    "a file of nothing": (
        [message_by("user", [{"type": "input_file"}])],
        "input[0].content[0].file_data",
        "Missing required parameter",
    ),
    "an image of a system message": ([message_by("system", [IMAGE])], "input[0].content[0].type", "text only"),
    "an image of the assistant": ([message_by("assistant", [IMAGE])], "input[0].content[0].type", "text only"),
    "an image by id in an output": (
        [call(), USER, gave([TEXT, {"type": "input_image", "file_id": "f"}])],
        "input[2].output[1].image_url",
        "not by 'file_id'",
    ),
    "a screen by id": (
        [
            {"type": "computer_call", "id": "cu_1", "call_id": "c", "status": "completed", "actions": []},
            {
                "type": "computer_call_output",
                "call_id": "c",
                "output": {"type": "computer_screenshot", "file_id": "f"},
                "acknowledged_safety_checks": [{"id": "sc_1"}],
            },
        ],
        "input[1].output.image_url",
        "not by 'file_id'",
    ),
}


@pytest.mark.parametrize(("items", "param", "expected"), FAULTS.values(), ids=FAULTS)
def test_what_a_chat_model_cannot_be_sent_is_the_clients_fault(items: list[Json], param: str, expected: str) -> None:
    with pytest.raises(ApiError, match=expected) as caught:
        messages(*items)
    assert (caught.value.status, caught.value.param) == (400, param)


S, T = message_by("system", "S"), message_by("system", "T")
SYSTEM: dict[str, tuple[Options, list[Json]]] = {
    "leading": (Options(), [message_by("system", "I\n\nS"), USER, T]),
    "all": (Options(system_messages="all"), [message_by("system", "I\n\nS\n\nT"), USER]),
    "keep": (Options(system_messages="keep"), [message_by("system", "I"), S, USER, T]),
    "by another role": (
        Options(system_role="developer"),
        [message_by("developer", "I\n\nS"), USER, message_by("developer", "T")],
    ),
}


@shows("system-order")
@pytest.mark.parametrize(("options", "expected"), SYSTEM.values(), ids=SYSTEM)
def test_system_messages_are_merged_as_the_template_allows(options: Options, expected: list[Json]) -> None:
    assert messages(S, USER, message_by("developer", "T"), instructions="I", options=options) == expected


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_go_where_the_upstream_has_them(field: Any) -> None:
    assert messages(thought("Hm"), ASSISTANT, options=Options(reasoning_field=field)) == [ASSISTANT | {field: "Hm"}]
    assert messages(thought("Hm"), ASSISTANT, options=Options(reasoning_field="none")) == [ASSISTANT]


# Settings.

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"type": "function", "name": "f"}
NO_PARAMETERS = {"type": "object", "properties": {}}

FIELDS: dict[str, tuple[Json, Json]] = {
    "nothing": ({}, {}),
    "sampling": (
        {"temperature": 0, "top_p": 0.5, "seed": -1, "stop": ["a", "b"]},
        {"temperature": 0.0, "top_p": 0.5, "seed": -1, "stop": ["a", "b"]},
    ),
    "sampling of local backends": (
        {"top_k": 5, "min_p": 0.0, "repetition_penalty": 1.5, "logit_bias": {"1": -100}, "stop": "a"},
        {"top_k": 5, "min_p": 0.0, "repetition_penalty": 1.5, "logit_bias": {"1": -100.0}, "stop": "a"},
    ),
    "penalties": (
        {"presence_penalty": -2, "frequency_penalty": 2},
        {"presence_penalty": -2.0, "frequency_penalty": 2.0},
    ),
    "a limit": ({"max_output_tokens": 5}, {"max_tokens": 5}),
    "identity": (
        {"safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h", "user": "u"},
        {"safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h", "user": "u"},
    ),
    "a tier": ({"service_tier": "flex"}, {"service_tier": "flex"}),
    "effort": ({"reasoning": {"effort": "high", "summary": "auto"}}, {"reasoning_effort": "high"}),
    "verbosity": ({"text": {"verbosity": "low"}}, {"verbosity": "low"}),
    "text": ({"text": {"format": {"type": "text"}}}, {}),
    "JSON": ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    "a schema": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
    ),
    "a strict schema": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": False, "description": "d"}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {}, "strict": False, "description": "d"},
            }
        },
    ),
    "logprobs": ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
    "top logprobs": ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    "no top logprobs": ({"top_logprobs": 0}, {}),
    "a function": (
        {"tools": [FUNCTION | {"description": "d", "parameters": SCHEMA, "strict": True}]},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
                }
            ]
        },
    ),
    "a bare function": (
        {"tools": [FUNCTION]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": NO_PARAMETERS}}]},
    ),
    "a setting that is for tools": ({"parallel_tool_calls": False}, {}),
    "a choice without tools": ({"tool_choice": "none"}, {}),
    "what is only for us": (
        {"metadata": {"a": "b"}, "max_tool_calls": 5, "truncation": "auto", "store": False, "stream_options": {}},
        {},
    ),
}


@pytest.mark.parametrize(("request_fields", "expected"), FIELDS.values(), ids=FIELDS)
def test_settings_become_fields(request_fields: Json, expected: Json) -> None:
    """What the client did not send is not sent on."""
    assert encode(model="m", **request_fields) == {"model": "m", "messages": [USER]} | expected


CHOICES: dict[str, tuple[Json, Any]] = {
    "auto": ({"tool_choice": "auto"}, None),
    "none": ({"tool_choice": "none"}, "none"),
    "required": ({"tool_choice": "required"}, "required"),
    "a function": ({"tool_choice": {"type": "function", "name": "f"}}, {"type": "function", "function": {"name": "f"}}),
    "a custom tool": (
        {"tool_choice": {"type": "custom", "name": "n"}},
        {"type": "function", "function": {"name": "n"}},
    ),
    "some allowed": ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION]}}, None),
    "some required": ({"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [FUNCTION]}}, "required"),
}


@pytest.mark.parametrize(("choice", "expected"), CHOICES.values(), ids=CHOICES)
def test_a_choice_is_reported_in_the_upstreams_words(choice: Json, expected: Any) -> None:
    body = encode(tools=[FUNCTION, {"type": "custom", "name": "n"}], parallel_tool_calls=True, **choice)
    assert body.get("tool_choice") == expected
    assert body["parallel_tool_calls"] is True
    offered = [offer["function"]["name"] for offer in body["tools"]]
    assert offered == (["f"] if "tools" in str(choice.get("tool_choice")) else ["f", "n"])


def test_a_stream_is_asked_for_with_its_usage() -> None:
    assert {"stream": True, "stream_options": {"include_usage": True}}.items() <= encode(stream=True).items()
    assert "stream" not in encode()


@pytest.mark.parametrize(("stream", "kind"), [(True, "text/event-stream"), (False, "application/json")])
def test_the_upstream_is_reported_what_is_understood(stream: bool, kind: str) -> None:
    sent = ChatCompletions(Options(), LIMITS).encode(plan(stream=stream).turn)
    assert sent.headers == [("content-type", "application/json"), ("accept", kind)]


def test_a_limit_goes_by_the_upstreams_name() -> None:
    options = Options(max_tokens_field="max_completion_tokens")
    assert encode(options, max_output_tokens=5)["max_completion_tokens"] == 5


def test_unknown_parameters_go_along_where_they_are_forwarded() -> None:
    forward = Policies(unknown_parameters="forward")
    body = encode(policies=forward, chat_template_kwargs={"enable_thinking": False}, n=1)
    assert body.items() >= {"chat_template_kwargs": {"enable_thinking": False}, "n": 1}.items()
    assert "n" not in encode(n=1)


def test_a_key_that_is_forwarded_replaces_none_of_ours() -> None:
    forward = Policies(unknown_parameters="forward")
    planned = plan(policies=forward, max_output_tokens=5, messages=[], max_tokens=9, logprobs=True, stream_options={})
    sent = ChatCompletions(Options(), LIMITS).encode(planned.turn).body

    def once(pairs: list[tuple[str, Any]]) -> Json:
        assert len(dict(pairs)) == len(pairs), "a key stands there twice"
        return dict(pairs)

    body = json.loads(sent, object_pairs_hook=once)
    assert (body["messages"], body["max_tokens"], body["logprobs"]) == ([USER], 5, True)
    assert body.get("stream_options", {}) == {}


@shows("format")
def test_a_schema_is_sent_as_it_came() -> None:
    """Its keys in their order, its numbers as they were written."""
    tool = FUNCTION | {"parameters": {"b": 1.50, "a": {"minimum": 1e3}}}
    sent = ChatCompletions(Options(), LIMITS).encode(plan(tools=[tool]).turn)
    assert b'"parameters":{"b": 1.5, "a": {"minimum": 1000.0}}' in sent.body


# What the upstream wants back.


def carrying(item: Json, origin: str = "here", **wanted: Any) -> Json:
    return item | {KEY: {"origin": origin, **wanted}}


SIGNED = {"extra_content": {"google": {"thought_signature": "s"}}}
DETAILS = {"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "signature": "s"}]}


def extended(message: Json, *calls: Json, **fields: Any) -> Json:
    """A message with more in it, and in its calls."""
    made = [one | more for one, more in zip(message.get("tool_calls", []), calls, strict=bool(calls))]
    return message | fields | ({"tool_calls": made} if made else {})


WANTED: dict[str, tuple[list[Json], list[Json]]] = {
    "a field of a call": (
        [carrying(call(), calls={"c": SIGNED}), gave()],
        [extended(called(C), SIGNED), tool()],
    ),
    "a field of the function": (
        [carrying(call(), calls={"c": {"function": {"thought_signature": "s", "name": "x"}}}), gave()],
        [
            extended(called(C), {"function": {"thought_signature": "s", "name": C[1], "arguments": C[2]}}),
            tool(),
        ],
    ),
    "the id of the upstream": (
        [
            call("c"),
            carrying(call("call_ours"), calls={"call_ours": {"id": "c", **SIGNED}}),
            gave(),
            gave("2", "call_ours"),
        ],
        [extended(called(C, C), {}, SIGNED), tool(), tool("2")],
    ),
    "a field of the message": (
        [USER, thought("Hm"), call(), carrying(ASSISTANT, turn=DETAILS), gave()],
        [USER, called(C, content="Hello", reasoning_content="Hm", **DETAILS), tool()],
    ),
    "one of each of two turns": (
        [carrying(call(), turn=DETAILS), gave(), carrying(call("d"), calls={"d": SIGNED}), gave("2", "d")],
        [called(C, **DETAILS), tool(), extended(called(("d", "f", "{}")), SIGNED), tool("2", "d")],
    ),
    "calls of one id": (
        [carrying(call(), calls={"c": SIGNED}), gave(), carrying(call(), calls={"c": {"n": 1}}), gave("2")],
        [extended(called(C), SIGNED), tool(), extended(called(C), {"n": 1}), tool("2")],
    ),
    "calls with outputs between": (
        [call(), gave(), carrying(call("d"), calls={"c": SIGNED, "d": {"n": 1}}), gave("2", "d")],
        [extended(called(C), SIGNED), tool(), extended(called(("d", "f", "{}")), {"n": 1}), tool("2", "d")],
    ),
    "with a thought that is sealed behind": (
        [ASSISTANT, call(), carrying(thought("") | {"content": []}, calls={"c": SIGNED}, turn=DETAILS), gave()],
        [extended(called(C, content="Hello"), SIGNED, **DETAILS), tool()],
    ),
    "what is ours is not written over": (
        [
            carrying(call(), calls={"c": {"type": "x", "index": 1, "new": 1}}, turn={"role": "user", "content": "x"}),
            gave(),
        ],
        [extended(called(C), {"new": 1}), tool()],
    ),
    "what another upstream wants": (
        [carrying(call(), "there", calls={"c": SIGNED}, turn=DETAILS), gave()],
        [called(C), tool()],
    ),
    "what is left of a turn that is gone": (
        [carrying(thought("") | {"content": []}, calls={"c": SIGNED}, turn=DETAILS), ASSISTANT, USER],
        [ASSISTANT, USER],
    ),
    "with the answer before another one": (
        [carrying(ASSISTANT, turn=DETAILS), ASSISTANT, call(), gave()],
        [ASSISTANT | DETAILS, called(C, content="Hello"), tool()],
    ),
    "what nobody can read": ([call() | {KEY: [1]}, gave()], [called(C), tool()]),
    "an id that is none": ([carrying(call(), calls={"c": {"id": 1, "function": 2}}), gave()], [called(C), tool()]),
}


@shows("call-ids-of-a-turn")
def test_ids_of_calls_are_nine_letters_or_digits_where_they_must() -> None:
    """Those that the upstream made are, and stay; others are made so, and outputs with them."""
    items = [call("aB3dE6gH9"), call("call_0"), gave("1", "call_0"), gave("2", "aB3dE6gH9")]
    items += [call("call_0"), gave("3", "call_0")]
    one, *results, again, last = messages(*items, options=Options(short_call_ids=True))
    first, second = (made["id"] for made in one["tool_calls"])
    assert first == "aB3dE6gH9"
    assert second.isalnum()
    assert len(second) == 9
    assert [result["tool_call_id"] for result in results] == [first, second]
    assert again["tool_calls"][0]["id"] == last["tool_call_id"] == second


@shows("returned-fields")
def test_an_upstream_may_want_nothing_back() -> None:
    dialect = ChatCompletions(Options(returns_fields=False), LIMITS, "here")
    sent = dialect.encode(plan(input=[carrying(call(), calls={"c": SIGNED}, turn=DETAILS), gave()]).turn).body
    assert json.loads(sent)["messages"] == [called(C), tool()]
    decoder = dialect.decoder(plan().turn)
    decoder.feed(json.dumps({"choices": [{"message": {"content": "Hi", "glow": 1}}]}).encode())
    assert [type(delta).__name__ for delta in decoder.close()] == ["TextDelta", "Finish"]


@shows("returned-fields")
@pytest.mark.parametrize(("items", "expected"), WANTED.values(), ids=WANTED)
def test_what_the_upstream_wants_back_is_where_it_was(items: list[Json], expected: list[Json]) -> None:
    sent = ChatCompletions(Options(), LIMITS, "here").encode(plan(input=items).turn).body
    assert json.loads(sent)["messages"] == expected
