"""Penstock in front of a real llama.cpp, driven by OpenAI's own client.

The model is random, so no test looks at the words of a text, only at what must hold of any text; a grammar
of llama.cpp's makes forced calls and JSON well-formed all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponseStreamEvent,
)

from real.llama_server import CONTEXT_TOKENS, MODEL, NO_END, LlamaServer
from support.oracle import check_response, check_stream
from support.sse import events as sse_events
from support.waiting import until

pytestmark = pytest.mark.real

Json = dict[str, Any]
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Zürich"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
FORCED: Any = {"type": "function", "name": "get_weather"}
CITIES = {"Paris", "Zürich"}
TERMINAL = ResponseCompletedEvent | ResponseIncompleteEvent | ResponseFailedEvent

# The most likely words, always the same; enough of them that these texts have ended long before.
PLAIN: Json = {"temperature": 0, "max_output_tokens": 600}
CALL: Json = {"input": "Hi", "tools": [WEATHER], "tool_choice": FORCED} | PLAIN
LONG: Json = {"input": "Go on.", "temperature": 0, "extra_body": {"logit_bias": NO_END}}


def create(client: OpenAI, **asked: Any) -> Response:
    """A JSON body, which the oracle has seen as it came."""
    raw = client.responses.with_raw_response.create(model=MODEL, **asked)
    check_response(json.loads(raw.content))
    response: Response = raw.parse()
    return response


def stream(client: OpenAI, **asked: Any) -> list[ResponseStreamEvent]:
    """The events as the client reads them; what holds of every stream is checked."""
    events = list(client.responses.create(model=MODEL, stream=True, **asked))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event for event in events if isinstance(event, TERMINAL)] == events[-1:]
    assert all(vars(event)["delta"] for event in events if event.type.endswith(".delta"))
    return events


def raw_stream(client: OpenAI, **asked: Any) -> list[Json]:
    """The events as they came, which the oracle has seen."""
    with client.responses.with_streaming_response.create(model=MODEL, stream=True, **asked) as reply:
        events = sse_events(b"".join(reply.iter_bytes()))
    check_stream(events)
    return events


def deltas(events: list[ResponseStreamEvent], kind: str) -> str:
    return "".join(vars(event)["delta"] for event in events if event.type == kind)


def end(events: list[ResponseStreamEvent]) -> Response:
    last = events[-1]
    assert isinstance(last, TERMINAL)
    return last.response


def assert_counted(response: Response) -> None:
    usage = response.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_the_upstream_alone_works(llama: LlamaServer) -> None:
    with OpenAI(base_url=llama.url, api_key="any") as client:
        assert [model.id for model in client.models.list()] == [MODEL]


def test_the_models_are_listed(client: OpenAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]


def test_a_body(client: OpenAI) -> None:
    response = create(client, input="Say hello.", **PLAIN)
    assert response.status == "completed"
    assert response.error is None
    assert [item.type for item in response.output] == ["message"]
    assert_counted(response)


def test_a_stream(client: OpenAI) -> None:
    events = stream(client, input="Hi", **PLAIN)
    response = end(events)
    assert response.status == "completed"
    assert response.output_text
    assert deltas(events, "response.output_text.delta") == response.output_text
    assert_counted(response)


def test_a_stream_as_bytes(client: OpenAI) -> None:
    raw_stream(client, input="Hi", **PLAIN)


def test_the_same_question_gives_the_same_body_and_stream(client: OpenAI) -> None:
    response = create(client, input="Say hello.", **PLAIN)
    streamed = end(stream(client, input="Say hello.", **PLAIN))
    assert streamed.output_text == response.output_text
    assert streamed.status == response.status


@pytest.mark.parametrize("ask", [create, lambda *a, **k: end(stream(*a, **k))], ids=["body", "stream"])
def test_a_cut_is_incomplete(client: OpenAI, ask: Callable[..., Response]) -> None:
    response = ask(client, max_output_tokens=4, **LONG)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.max_output_tokens == 4
    assert_counted(response)


def test_tools_may_be_offered(client: OpenAI) -> None:
    response = create(client, input="Hi", tools=[WEATHER], tool_choice="auto", **PLAIN)
    assert response.status == "completed"
    assert [item.type for item in response.output] == ["message"]
    [tool] = response.tools
    assert tool.to_dict() | WEATHER == tool.to_dict()


def test_a_forced_call(client: OpenAI) -> None:
    response = create(client, **CALL)
    assert response.status == "completed"
    [call] = response.output
    assert call.type == "function_call"
    assert call.name == "get_weather"
    assert call.call_id
    assert json.loads(call.arguments)["city"] in CITIES
    assert_counted(response)


def test_a_forced_call_in_a_stream(client: OpenAI) -> None:
    events = stream(client, **CALL)
    [call] = end(events).output
    assert call.type == "function_call"
    assert call.name == "get_weather"
    assert deltas(events, "response.function_call_arguments.delta") == call.arguments
    assert json.loads(call.arguments)["city"] in CITIES
    assert [event.type for event in events if "output_item" in event.type] == [
        "response.output_item.added",
        "response.output_item.done",
    ]


def test_a_call_is_answered_and_the_talk_goes_on(client: OpenAI) -> None:
    """This upstream refuses an assistant message whose `content` is null."""
    first = create(client, **CALL)
    [call] = first.output
    assert call.type == "function_call"
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    talk: Any = [{"role": "user", "content": CALL["input"]}, call.to_dict(), result]
    second = create(client, input=talk, tools=[WEATHER], **PLAIN)
    assert second.status == "completed"
    assert [item.type for item in second.output] == ["message"]


def test_instructions_and_a_developer_message_become_one_system_message(client: OpenAI) -> None:
    """The model's template refuses a second system message, the server any role it does not know."""
    talk: Any = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    response = create(client, instructions="Be brief.", input=talk, **PLAIN)
    assert response.status == "completed"


def test_a_json_object(client: OpenAI) -> None:
    response = create(client, input="Hi", text={"format": {"type": "json_object"}}, max_output_tokens=48)
    assert response.output_text.lstrip().startswith("{")
    assert response.text is not None
    assert response.text.format is not None
    assert response.text.format.type == "json_object"


def test_a_json_schema_is_refused_aloud(client: OpenAI) -> None:
    """This upstream knows no json_schema, and answers with a 500 that contains its own file names."""
    form: Any = {"type": "json_schema", "name": "answer", "schema": WEATHER["parameters"], "strict": True}
    with pytest.raises(openai.APIStatusError) as refused:
        create(client, input="Hi", text={"format": form}, max_output_tokens=48)
    assert refused.value.status_code in {400, 502}
    assert "site-packages" not in refused.value.response.text


def test_log_probabilities(client: OpenAI) -> None:
    asked: Json = {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}
    response = create(client, max_output_tokens=4, **asked, **LONG)
    [message] = response.output
    assert message.type == "message"
    [part] = message.content
    assert part.type == "output_text"
    assert part.logprobs
    assert "".join(each.token for each in part.logprobs) == part.text
    assert all(each.logprob <= 0 and len(each.top_logprobs) <= 2 for each in part.logprobs)


def test_a_context_that_is_too_long_is_a_failure(client: OpenAI) -> None:
    """Asked for a stream this upstream sends 200, then nothing at all, and ends the body in good order."""
    try:
        response = create(client, input="a" * CONTEXT_TOKENS, max_output_tokens=24)
    except openai.APIStatusError as refused:
        assert refused.status_code in {400, 502}
    else:
        assert response.status == "failed"
        assert response.error is not None


def test_a_client_that_disconnects_stops_the_upstream(client: OpenAI, llama: LlamaServer) -> None:
    before = llama.log().count("Disconnected from client")
    with client.responses.create(model=MODEL, stream=True, max_output_tokens=900, **LONG) as events:
        next(event for event in events if event.type == "response.output_text.delta")
    until(lambda: llama.log().count("Disconnected from client") > before)
