"""The plan: every parameter has an effect, an echo, or a word that it has none."""

from typing import Any

import pytest
from openai.types.responses import Response

from core.kit import NOW_S, FakeUpstream, Json, encode, plan, routes, to_json
from penstock.engine import Policies
from penstock.errors import ApiError
from penstock.secrets import Secret
from penstock.tool_calls import OFFERS
from penstock.wire import CreateResponse, McpTool
from requirements import shows
from support import oracle
from support.scripts import NOTE, WEATHER

MESSAGE = {"type": "message", "role": "user", "content": "Hi"}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": None}

# field -> what is asked, and what is then in force
ECHOES: dict[str, list[tuple[Any, Any]]] = {
    "model": [("x", "x")],
    "instructions": [("Be brief.", "Be brief."), (None, None)],
    "background": [(False, False)],
    "metadata": [({"a": "b"}, {"a": "b"}), (None, {})],
    "tools": [
        (None, []),
        ([WEATHER], [WEATHER]),
        (
            [{"type": "function", "name": "f"}],
            [{"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}],
        ),
        ([NOTE, {"type": "web_search"}], [NOTE, {"type": "web_search"}]),
    ],
    "tool_choice": [(None, "auto"), ("none", "none")],
    "parallel_tool_calls": [(None, True), (True, True), (False, False)],
    "max_tool_calls": [(3, 3), (None, None)],
    "text": [
        (None, {"format": {"type": "text"}, "verbosity": "medium"}),
        ({"verbosity": "low"}, {"format": {"type": "text"}, "verbosity": "low"}),
        ({"format": {"type": "json_object"}}, {"format": {"type": "json_object"}, "verbosity": "medium"}),
        ({"format": SCHEMA}, {"format": SCHEMA, "verbosity": "medium"}),
    ],
    "reasoning": [
        (None, {"effort": None, "summary": None}),
        ({"effort": "high"}, {"effort": "high", "summary": None}),
        ({"summary": "auto"}, {"effort": None, "summary": "auto"}),
        ({"generate_summary": "concise"}, {"effort": None, "summary": "concise"}),
    ],
    "max_output_tokens": [(5, 5), (10**30, 10**30), (None, None)],
    "temperature": [(0, 0.0), (2, 2.0), (None, 1.0)],
    "top_p": [(0, 0.0), (0.5, 0.5), (None, 1.0)],
    "top_logprobs": [(0, 0), (20, 20), (None, 0)],
    "background_options": [
        ({"completion_window": "2h", "continuation_id": "c"}, {"completion_window": "soonest", "continuation_id": "c"}),
        ({}, {"completion_window": "soonest"}),
    ],
    "truncation": [("auto", "auto"), (None, "disabled")],
    "service_tier": [("auto", "default"), ("flex", "flex"), (None, "default")],
    "safety_identifier": [("s", "s"), (None, None)],
    "prompt_cache_key": [("k", "k"), (None, None)],
    "prompt_cache_retention": [("24h", "24h"), (None, None)],
    "user": [("u", "u"), (None, None)],
    "presence_penalty": [(-2, -2.0), (None, 0.0)],
    "frequency_penalty": [(2, 2.0), (None, 0.0)],
    "image": [
        ({"context_compression": "enabled"}, {"context_compression": "disabled"}),
        ({}, {"context_compression": "disabled"}),
    ],
}

# Parameters that the Response has no place for, and why that is right.
UNECHOED = {
    "input": "it can be read back as the response's input items",
    "include": "it says what the output holds",
    "stream": "it says how the client reads",
    "stream_options": "it says how the client reads",
    "context_management": "it says what becomes of the context",
    "seed": "OpenAI has no such parameter",
    "stop": "OpenAI has no such parameter",
    "top_k": "OpenAI has no such parameter",
    "min_p": "OpenAI has no such parameter",
    "repetition_penalty": "OpenAI has no such parameter",
    "logit_bias": "OpenAI has no such parameter",
}
ELSEWHERE = {"previous_response_id", "conversation", "prompt", "store", "prompt_cache_options"}
"""What has tests of its own."""
OF_OPENAI = {"access_programs", "moderation"}
"""Asked of services of OpenAI's own. What the Response contains of them is what they did: here, nothing."""


@shows("background-options")
@pytest.mark.parametrize("field", ECHOES)
def test_a_field_is_echoed_with_its_effective_value(field: str) -> None:
    for asked, result in ECHOES[field]:
        begun = oracle_checked(**{field: asked})
        assert begun[field] == result
        if asked is None:
            assert oracle_checked()[field] == result


def oracle_checked(**request: Any) -> Json:
    begun: Json = to_json(plan(**request).skeleton)
    oracle.check(Response, begun)
    return begun


def test_every_parameter_is_echoed_or_has_a_reason_not_to_be() -> None:
    fields = {*CreateResponse.__struct_fields__} - {"unknown"}
    assert fields == ECHOES.keys() | UNECHOED.keys() | ELSEWHERE | OF_OPENAI
    assert not UNECHOED.keys() & Response.model_fields.keys() - {"input"}


SERVICES: dict[str, Json] = {
    "access_programs": {"cyber": "daybreak_blue"},
    "image": {"context_compression": "enabled"},
    "moderation": {"model": "omni-moderation-latest"},
}


@shows("openai-services")
@pytest.mark.parametrize("field", SERVICES)
def test_a_service_that_no_chat_model_has_is_reported_as_ignored(field: str) -> None:
    assert plan(**{field: SERVICES[field]}).ignored == [field]
    assert plan(**{field: None}).ignored == []
    begun = oracle_checked(**{field: SERVICES[field]})
    assert {key: begun[key] for key in begun.keys() & SERVICES.keys()} == (
        {"image": {"context_compression": "disabled"}} if field == "image" else {}
    )


@shows("items-not-sent")
@pytest.mark.parametrize(
    ("item", "reported"),
    [
        ({"type": "configuration_update", "reasoning": {"effort": "high"}}, ["input.configuration_update"]),
        (
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
            ["input.mcp_approval_response"],
        ),
        ({"type": "mcp_list_tools", "server_label": "s", "tools": []}, []),
    ],
)
def test_an_unsupported_directive_is_reported_as_ignored(item: Json, reported: list[str]) -> None:
    assert plan(input=[item, {"role": "user", "content": "Hi"}, item]).ignored == reported


@pytest.mark.parametrize(
    ("asked", "reported"),
    [
        ({}, {"mode": "implicit", "ttl": "30m"}),
        ({"mode": "explicit"}, {"mode": "explicit", "ttl": "30m"}),
        ({"ttl": "12h", "prewarm": True}, {"mode": "implicit", "ttl": "12h"}),
        ({"comparison_response_id": "r"}, {"mode": "implicit", "ttl": "30m", "comparison_response_id": "r"}),
    ],
)
def test_options_of_the_cache_are_echoed_where_they_were_given(asked: Json, reported: Json) -> None:
    assert oracle_checked(prompt_cache_options=asked)["prompt_cache_options"] == reported
    assert "prompt_cache_options" not in oracle_checked()


def test_a_response_begins_with_its_id_and_time() -> None:
    begun = oracle_checked()
    assert (begun["id"], begun["created_at"], begun["status"]) == ("resp_0", NOW_S, "in_progress")
    assert (begun["output"], begun["usage"], begun["error"], begun["completed_at"]) == ([], None, None, None)


FLAGS: dict[str, tuple[Json, dict[str, bool]]] = {
    "nothing": ({}, {"stream": False, "summarize": False, "report_usage": False, "obfuscate": False}),
    "a stream": ({"stream": True}, {"stream": True}),
    "nulls": ({"stream": None, "stream_options": None, "reasoning": None}, {"stream": False, "summarize": False}),
    "options": (
        {"stream_options": {"include_usage": True, "include_obfuscation": True}},
        {"report_usage": True, "obfuscate": True},
    ),
    "options that are off": (
        {"stream_options": {"include_usage": False, "include_obfuscation": None}},
        {"report_usage": False, "obfuscate": False},
    ),
    "a summary": ({"reasoning": {"summary": "detailed"}}, {"summarize": True}),
    "a summary by its old name": ({"reasoning": {"generate_summary": "auto"}}, {"summarize": True}),
    "effort alone": ({"reasoning": {"effort": "low"}}, {"summarize": False}),
}


@pytest.mark.parametrize(("request_fields", "flags"), FLAGS.values(), ids=FLAGS)
def test_a_plan_contains_how_it_will_be_read(request_fields: Json, flags: dict[str, bool]) -> None:
    planned = plan(**request_fields)
    assert {name: getattr(planned, name) for name in flags} == flags
    assert planned.turn.stream == planned.stream


# What is unknown here, or not honoured.

SETTLED: dict[str, tuple[Json, list[str]]] = {
    "nothing": ({}, []),
    "unknown": ({"b": 1, "a": None}, ["a", "b"]),
    "truncation, for which the plan is fitted later": ({"truncation": "auto"}, []),
    "a bound on calls that nobody makes": ({"max_tool_calls": 1}, []),
    "a bound on calls of an absent tool": (
        {"max_tool_calls": 1, "tools": [{"type": "web_search"}]},
        ["tools.web_search"],
    ),
    "compaction": ({"context_management": [{"type": "compaction"}]}, ["context_management"]),
    "tools": ({"tools": [{"type": "web_search"}]}, ["tools.web_search"]),
}


@pytest.mark.parametrize(("request_fields", "ignored"), SETTLED.values(), ids=SETTLED)
def test_parameters_without_an_effect_are_reported(request_fields: Json, ignored: list[str]) -> None:
    assert plan(**request_fields).ignored == ignored


def test_unknown_parameters_are_rejected_where_that_is_set() -> None:
    with pytest.raises(ApiError, match="Unknown parameter: 'a'") as caught:
        plan(policies=Policies(unknown_parameters="reject"), b=1, a=2)
    assert (caught.value.param, caught.value.code) == ("a", "unknown_parameter")


def test_unknown_parameters_are_forwarded_where_that_is_set() -> None:
    planned = plan(policies=Policies(unknown_parameters="forward"), b=[1.5])
    assert planned.ignored == []
    assert to_json(planned.turn.extras) == {"b": [1.5]}


# The turn.


def test_the_client_gets_the_alias_and_the_upstream_the_name() -> None:
    planned = plan(to=routes(FakeUpstream(), aliases={"gpt-5": "qwen3"}), model="gpt-5")
    assert (planned.turn.model, planned.skeleton.model) == ("qwen3", "gpt-5")


@pytest.mark.parametrize(("takes_bearer", "passed"), [(True, Secret("sk-1")), (False, None)])
def test_the_clients_key_is_sent_only_where_none_is_configured(takes_bearer: bool, passed: Secret | None) -> None:
    planned = plan(to=routes(FakeUpstream(), takes_bearer=takes_bearer), bearer=Secret("sk-1"))
    assert planned.turn.bearer == passed
    assert "sk-1" not in repr(planned)


def test_a_plan_is_a_function_of_its_request() -> None:
    request = {"tools": [WEATHER, NOTE], "reasoning": {"effort": "low"}, "model": "m", "stream": True}
    upstream = FakeUpstream()
    assert plan(upstream, **request).skeleton == plan(upstream, **request).skeleton
    assert plan(upstream, **request).turn == plan(upstream, **request).turn


def test_a_plain_input_is_a_message() -> None:
    assert to_json(plan(input="Hi").turn.items) == [MESSAGE] == to_json(plan(input=[MESSAGE]).turn.items)


NEEDS: dict[str, tuple[Json, str]] = {
    "a turn before": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "a conversation": ({"conversation": "conv_1"}, "conversation"),
    "a conversation as an object": ({"conversation": {"id": "conv_1"}}, "conversation"),
    "background": ({"background": True}, "background"),
    "a reference": ({"input": [MESSAGE, {"type": "item_reference", "id": "msg_1"}]}, "input[1]"),
    "an input": ({"input": None}, "input"),
}


@pytest.mark.parametrize(("request_fields", "param"), NEEDS.values(), ids=NEEDS)
def test_without_a_store_what_needs_one_is_refused(request_fields: Json, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        plan(**request_fields)
    assert (caught.value.status, caught.value.param) == (400, param)


# Secrets, and what is unknown here.

MCP = {"type": "mcp", "server_label": "s", "server_url": "https://example.com"}
DOMAIN = {"domain": "a.example", "name": "TOKEN", "value": "tok-1"}
HIDDEN = DOMAIN | {"value": "<redacted>"}
SECRETS: dict[str, tuple[Json, Json]] = {
    "a token": (MCP | {"authorization": "tok-1"}, MCP | {"authorization": "<redacted>"}),
    "headers": (
        MCP | {"headers": {"X-Key": "tok-1", "Y": ""}},
        MCP | {"headers": {"X-Key": "<redacted>", "Y": "<redacted>"}},
    ),
    "a path and a query": (
        MCP | {"server_url": "https://example.com:8443/s/tok-1?key=tok-1#tok-1"},
        MCP | {"server_url": "https://example.com:8443/<redacted>"},
    ),
    "a query alone": (
        MCP | {"server_url": "https://example.com?tok-1"},
        MCP | {"server_url": "https://example.com/<redacted>"},
    ),
    "a user": (
        MCP | {"server_url": "https://u:tok-1@example.com/"},
        MCP | {"server_url": "https://<redacted>@example.com/"},
    ),
    "a URL that is none": (MCP | {"server_url": "tok-1"}, MCP | {"server_url": "<redacted>"}),
    "no secret": (MCP | {"authorization": None, "headers": {}}, MCP | {"authorization": None, "headers": {}}),
    "a container": (
        {"type": "code_interpreter", "container": {"type": "auto", "network_policy": {"domain_secrets": [DOMAIN]}}},
        {"type": "code_interpreter", "container": {"type": "auto", "network_policy": {"domain_secrets": [HIDDEN]}}},
    ),
    "a shell": (
        {"type": "shell", "environment": {"type": "container_auto", "network_policy": {"domain_secrets": [DOMAIN]}}},
        {"type": "shell", "environment": {"type": "container_auto", "network_policy": {"domain_secrets": [HIDDEN]}}},
    ),
    "a tool that nobody knows": (
        {"type": "new", "authorization": "tok-1", "headers": {"a": "tok-1"}, "port": 1},
        {"type": "new", "authorization": "<redacted>", "headers": "<redacted>", "port": 1},
    ),
}


@shows("redacted", "mcp-urls")
@pytest.mark.parametrize(("asked", "reported"), SECRETS.values(), ids=SECRETS)
def test_secrets_of_tools_are_not_echoed(asked: Json, reported: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OFFERS, McpTool, lambda tool: iter(()))  # as it will be once there is a driver
    planned = plan(tools=[asked, WEATHER])
    assert to_json(planned.skeleton)["tools"] == [reported, WEATHER]
    assert "tok-1" not in encode(planned.skeleton).decode()
    assert to_json(planned.turn.request)["tools"] == [asked, WEATHER]


NEW = {"type": "new"}
UNKNOWN_FIELDS: dict[str, tuple[Any, str]] = {
    "an item": ([MESSAGE, NEW], "input[1]"),
    "a part of a thought": ([MESSAGE, {"type": "reasoning", "summary": [NEW]}], "input[1].summary[0]"),
}


@pytest.mark.parametrize(("given", "location"), UNKNOWN_FIELDS.values(), ids=UNKNOWN_FIELDS)
def test_unknown_parameters_are_reported_or_rejected(given: Any, location: str) -> None:
    for policy in ("ignore", "forward"):
        assert plan(policies=Policies(unknown_parameters=policy), input=given).ignored == [f"{location}.new"]
    with pytest.raises(ApiError) as caught:
        plan(policies=Policies(unknown_parameters="reject"), input=given)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, f"{location}.type", "invalid_value")


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
TEXT = {"type": "input_text", "text": "x"}
CONTENT: dict[str, tuple[list[Json], str, str]] = {
    "a part of a message": ([{"role": "user", "content": [TEXT, NEW]}], "input[0].content[1].type", "'input_text'"),
    "a part of an answer": ([{"role": "assistant", "content": [NEW]}], "input[0].content[0].type", "'output_text'"),
    "a part of instructions": (
        [{"role": "system", "content": [NEW]}, MESSAGE],
        "input[0].content[0].type",
        "'refusal'",
    ),
    "a part of an output": (
        [CALL, {"type": "function_call_output", "call_id": "c", "output": [NEW, TEXT]}],
        "input[1].output[0].type",
        "'input_image'",
    ),
    "a text without its text": (
        [{"role": "user", "content": [{"type": "text"}]}],
        "input[0].content[0].type",
        "'text'",
    ),
    "an image without its URL": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
        "input[0].content[0].type",
        "'image_url'",
    ),
    "a misspelt message": ([MESSAGE, {"type": "mesage", "role": "user", "content": "x"}], "input[1].type", "'message'"),
    "a misspelt output": ([MESSAGE, {"type": "call_output", "output": "x"}], "input[1].type", "'function_call_output'"),
    "nothing else": ([NEW, NEW], "input[0].type", "'message'"),
}


@shows("unknown-content", "unknown-parts")
@pytest.mark.parametrize("policy", ["ignore", "forward", "reject"])
@pytest.mark.parametrize(("given", "param", "known"), CONTENT.values(), ids=CONTENT)
def test_content_that_a_chat_model_cannot_get_is_refused(given: Any, param: str, known: str, policy: Any) -> None:
    with pytest.raises(ApiError) as caught:
        plan(policies=Policies(unknown_parameters=policy), input=given)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, "invalid_value")
    assert "Supported values are: " in caught.value.message
    assert known in caught.value.message


CHAT_PARTS: dict[str, tuple[str, Json, Json]] = {
    "a text": ("user", {"type": "text", "text": "x"}, TEXT),
    "a text of the assistant": (
        "assistant",
        {"type": "text", "text": "x"},
        {"type": "output_text", "text": "x", "annotations": [], "logprobs": []},
    ),
    "a text of the system": ("system", {"type": "text", "text": ""}, {"type": "input_text", "text": ""}),
    "a marked text": (
        "developer",
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
        TEXT | {"cache_control": {"type": "ephemeral"}},
    ),
    "an image": (
        "user",
        {"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}},
        {"type": "input_image", "image_url": "data:,x", "detail": "low"},
    ),
    "an image by its URL alone": (
        "user",
        {"type": "image_url", "image_url": "data:,x"},
        {"type": "input_image", "image_url": "data:,x", "detail": "auto"},
    ),
    "a file": (
        "user",
        {"type": "file", "file": {"file_data": "data:,x", "filename": "x.txt"}},
        {"type": "input_file", "file_data": "data:,x", "filename": "x.txt"},
    ),
}


@shows("chat-parts", "chat-parts-read")
@pytest.mark.parametrize(("role", "sent", "read"), CHAT_PARTS.values(), ids=CHAT_PARTS)
def test_chat_style_parts_are_taken_for_what_they_mean(role: str, sent: Json, read: Json) -> None:
    planned = plan(input=[MESSAGE, {"role": role, "content": [TEXT, sent]}])
    assert to_json(planned.turn.items[1])["content"] == [TEXT, read]
    assert planned.mapped == [f"input[1].content[1].{sent['type']}={read['type']}"]
    assert planned.ignored == []


@pytest.mark.parametrize("field", ["text", "reasoning", "prompt_cache_options", "tools"])
def test_unknown_fields_of_a_setting_are_echoed(field: str) -> None:
    asked = [WEATHER | {"new": [1]}] if field == "tools" else {"new": [1]}
    result = to_json(plan(**{field: asked}).skeleton)[field]
    assert (result[0] if field == "tools" else result)["new"] == [1]
