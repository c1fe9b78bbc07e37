"""What an upstream reports of an error, in the shapes in which backends send it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.dialects.chat_completions.decoded import bytewise, choice, decode, stream, whole
from penstock.errors import ApiError
from penstock.transcript.deltas import TextDelta
from penstock.upstream_errors import UpstreamError, is_error, read_body, read_error
from penstock.upstream_replies import reply_error, reported_error
from requirements import shows

BOOM, REFUSED = UpstreamError(message="boom"), UpstreamError(message="boom", type="invalid_request_error")
RAW = json.dumps({"error": {"message": "boom", "type": "invalid_request_error"}})

SHAPES: dict[str, tuple[Any, UpstreamError]] = {
    "OpenAI": (
        {"error": {"message": "boom", "type": "invalid_request_error", "param": "x", "code": "bad"}},
        UpstreamError(message="boom", type="invalid_request_error", param="x", code="bad"),
    ),
    "a code that is a number": ({"error": {"message": "boom", "code": 400}}, UpstreamError(message="boom", status=400)),
    "a number in a text": ({"error": {"message": "boom", "code": "400"}}, UpstreamError(message="boom", status=400)),
    "a text": ({"error": "boom"}, BOOM),
    "a text and the words beside it": (
        {"error": "Bad Request", "message": "boom", "statusCode": 400},
        UpstreamError(message="Bad Request: boom", status=400),
    ),
    "the words beside an object": (
        {"error": {"code": 400}, "message": "boom"},
        UpstreamError(message="boom", status=400),
    ),
    "a mark and the words beside it": ({"error": True, "message": "boom"}, BOOM),
    "vLLM, older": (
        {"object": "error", "message": "boom", "type": "BadRequestError", "param": None, "code": 400},
        UpstreamError(message="boom", type="BadRequestError", status=400),
    ),
    "Gemini, a list": (
        [{"error": {"code": 400, "message": "boom", "status": "INVALID_ARGUMENT"}}],
        UpstreamError(message="boom", type="INVALID_ARGUMENT", status=400),
    ),
    "Anthropic": (
        {"type": "error", "error": {"type": "invalid_request_error", "message": "boom"}},
        UpstreamError(message="boom", type="invalid_request_error"),
    ),
    "FastAPI": ({"detail": "boom"}, BOOM),
    "FastAPI, a list": (
        {"detail": [{"type": "missing", "loc": ["body", "messages", 0], "msg": "Field required"}, {"msg": "boom"}]},
        UpstreamError(message="messages.0: Field required; boom", type="missing"),
    ),
    "FastAPI, an object": ({"detail": {"error": {"message": "boom"}}}, BOOM),
    "FastAPI, JSON in a text": ({"detail": RAW}, REFUSED),
    "OpenRouter": (
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": RAW, "provider_name": "x"}}},
        UpstreamError(message="Provider returned error: boom", type="invalid_request_error", status=400),
    ),
    "OpenRouter, plain": (
        {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": "boom"}}},
        UpstreamError(message="Provider returned error: boom", status=502),
    ),
    "Cloudflare": (
        {"success": False, "errors": [{"code": 7003, "message": "boom"}], "result": None},
        UpstreamError(message="boom", status=7003),
    ),
    "a list of texts": ({"errors": ["boom", "bang"]}, UpstreamError(message="boom; bang")),
    "DashScope": (
        {"code": "Throttling.AllocationQuota", "message": "boom", "request_id": "x"},
        UpstreamError(message="boom", code="Throttling.AllocationQuota"),
    ),
    "Venice": (
        {"choices": None, "error_type": "context", "error_message": "boom"},
        UpstreamError(message="boom", type="context"),
    ),
    "OpenRouter, of several providers": (
        {"error": {"message": "Provider returned error", "metadata": {"previous_errors": [{"message": "boom"}]}}},
        UpstreamError(message="Provider returned error: boom"),
    ),
    "Groq": (
        {"error": {"message": "See 'failed_generation'", "code": "tool_use_failed", "failed_generation": "<f>{}"}},
        UpstreamError(message="See 'failed_generation': <f>{}", code="tool_use_failed"),
    ),
    "Azure, within": (
        {"error": {"code": "BadRequest", "innererror": {"message": "boom"}}},
        UpstreamError(message="boom", code="BadRequest"),
    ),
    "a cause": ({"error": {"message": "bang", "cause": {"message": "boom"}}}, UpstreamError(message="boom: bang")),
    "Hunyuan": (
        {"Response": {"Error": {"Code": "x", "Message": "boom"}, "RequestId": "y"}},
        BOOM,
    ),
    "Volcengine": ({"ResponseMetadata": {"Error": {"Message": "boom"}}}, BOOM),
    "messages in an object": ({"errors": {"messages": ["boom"]}}, BOOM),
    "data": ({"error": {"data": {"message": "boom"}}}, BOOM),
    "Apigee": ({"fault": {"faultstring": "boom", "detail": {"errorcode": "x"}}}, BOOM),
    "a statusMessage": ({"statusCode": 400, "statusMessage": "boom"}, UpstreamError(message="boom", status=400)),
    "Baidu": ({"error_code": 336007, "error_msg": "boom"}, UpstreamError(message="boom", status=336007)),
    "JSON within JSON": ({"error": {"message": RAW}}, REFUSED),
    "JSON in a text": (RAW, REFUSED),
    "an event in a text": (
        f"event: error\ndata: {RAW}\n\n",
        UpstreamError(message="boom", type="invalid_request_error"),
    ),
    "plain text": ("boom", BOOM),
    "a code alone": ({"error": {"code": "boom"}}, UpstreamError(message="boom", code="boom")),
    "nothing": ({}, UpstreamError()),
    "an empty list": ([], UpstreamError()),
    "a page": ("<!DOCTYPE html><h1>502</h1>", UpstreamError()),
    "types that are none": (
        {"error": {"message": "boom", "type": 5, "param": ["x"], "code": {}}},
        UpstreamError(message="boom"),
    ),
}


@shows("error-shapes")
@pytest.mark.parametrize(("given", "error"), SHAPES.values(), ids=SHAPES)
def test_an_error_is_read_in_any_shape(given: Any, error: UpstreamError) -> None:
    assert read_error(given) == error
    assert read_body(given.encode() if isinstance(given, str) else json.dumps(given).encode()) == error


@shows("error-shapes")
@pytest.mark.parametrize(("given", "error"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 429])
def test_an_error_reply_has_the_upstreams_words(given: Any, error: UpstreamError, status: int) -> None:
    body = given.encode() if isinstance(given, str) else json.dumps(given).encode()
    meant = reply_error(status, {}, body, key="none")
    assert (error.message or f"status {status}") in meant.message
    assert meant.code is None or not meant.code.isdigit()
    assert meant.type in {"invalid_request_error", "rate_limit_error"}


AS_200 = [name for name, (given, _) in SHAPES.items() if isinstance(given, dict | list) and given]


@shows("error-shapes")
@pytest.mark.parametrize("name", AS_200)
def test_an_error_in_a_stream_has_the_upstreams_message(name: str) -> None:
    given, error = SHAPES[name]
    for data in (stream(given), json.dumps(given).encode()):
        for pieces in ([data], bytewise(data)):
            with pytest.raises(ApiError) as caught:
                decode(*pieces)
            assert (error.message or "an error") in caught.value.message


FRAMES: dict[str, bytes] = {
    "a named event": b'event: error\ndata: {"message": "boom"}\n\n',
    "a named event of plain words": b"event: error\ndata: boom\n\n",
    "a named event that wraps": b'event: error\ndata: {"error": {"message": "boom"}}\n\n',
    "DashScope": b'id:1\nevent:error\n:HTTP_STATUS/500\ndata:{"code":"InternalError","message":"boom"}\n\n',
    "a line of its own": b'error: {"message": "boom"}\n\n',
    "a line of plain words": b"error: boom\n\n",
    "a line of its own, with what wraps": b'error: {"error": {"message": "boom", "code": 500}}\n\n',
    "a line that is JSON": b'{"error": {"message": "boom"}}\n\n',
    "a list": b'data: [{"error": {"message": "boom"}}]\n\n',
    "a text": b'data: "boom"\n\n',
    "plain words as data": b"data: boom\n\n",
    "in the choice": stream(
        {"choices": [{"index": 0, "delta": {"content": ""}, "error": {"message": "boom", "code": 502}}]}
    ),
    "in the choice, with an end": stream(choice({}, "stop", error="boom")),
    "beside the choices": stream(choice({"content": ""}, "error") | {"error": {"message": "boom"}}),
    "MiniMax": stream({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "boom"}}),
    "Groq": stream({"choices": [], "x_groq": {"id": "r", "error": "boom"}}),
    "within what wraps it": stream({"data": None, "errors": [{"message": "boom"}]}),
}


@shows("error-shapes")
@pytest.mark.parametrize("data", FRAMES.values(), ids=FRAMES)
def test_an_error_is_found_however_it_is_framed(data: bytes) -> None:
    for ends in (b"", b"data: [DONE]\n\n" * data.endswith(b"\n\n")):
        for before in (b"", stream(choice({"content": "a"}), done=False)):
            for pieces in ([before + data + ends], bytewise(before + data + ends)):
                with pytest.raises(ApiError, match="boom"):
                    decode(*pieces)


@shows("error-shapes")
@pytest.mark.parametrize("data", [b"boom", b"boom\n", b"boom\n\ndata: [DONE]\n\n", b"502: boom\r\n\r\n"])
def test_words_instead_of_a_stream_are_reported(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        with pytest.raises(ApiError, match="boom"):
            decode(*pieces)


@shows("error-shapes")
def test_a_whole_reply_may_hold_an_error() -> None:
    for data in (whole({"content": "a"}, error={"message": "boom"}), json.dumps([{"error": "boom"}]).encode()):
        with pytest.raises(ApiError, match="boom"):
            decode(data)
    body = b'{"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"message": "boom"}}]}'
    with pytest.raises(ApiError, match="boom"):
        decode(body)


def test_a_reply_in_words_of_its_own_is_quoted() -> None:
    assert "grumble" in reply_error(400, {}, b'{"grumble": "no"}', key="none").message


def test_an_error_without_words_is_one() -> None:
    for data in (b"event: error\n\n", b"event: error\ndata:\n\n", b"error:\n\n", b'data: {"error": {}}\n\n'):
        with pytest.raises(ApiError, match="met an error"):
            decode(stream(choice({"content": "a"}), done=False) + data + b"data: [DONE]\n\n")


def test_words_without_an_error_cost_no_answer() -> None:
    data = b"event: status\ndata: {}\n\nOPENROUTER PROCESSING\n\n" + stream(choice({"content": "a"}, "stop"))
    assert decode(data)[0] == TextDelta("a")


BLAMES: dict[str, tuple[Any, int]] = {
    "a rate by its status": ({"message": "boom", "code": 429}, 429),
    "a rate by its name": ({"message": "boom", "code": "Throttling.AllocationQuota"}, 429),
    "a rate by its type": ({"message": "boom", "type": "rate_limit_error"}, 429),
    "a rate by Google's name": ({"message": "boom", "status": "RESOURCE_EXHAUSTED"}, 429),
    "the request by its status": ({"message": "boom", "code": 422}, 400),
    "the request by its type": ({"message": "boom", "type": "invalid_request_error"}, 400),
    "the server": ({"message": "boom", "code": 503}, 502),
    "nobody": ({"message": "boom"}, 502),
}


@pytest.mark.parametrize(("given", "status"), BLAMES.values(), ids=BLAMES)
def test_an_error_amid_a_stream_has_its_blame(given: Any, status: int) -> None:
    assert reported_error(read_error(given)).status == status


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"x_groq": {"id": "r"}},
        {"type": "ping"},
        {"object": "chat.completion.chunk"},
        {"error": None},
        {"errors": []},
        {"message": "queued"},
    ],
)
def test_a_sign_of_life_is_no_error(given: Any) -> None:
    assert not is_error(given)


def test_an_error_is_bounded_in_size_and_depth() -> None:
    nested: Any = "boom"
    for _ in range(500):
        nested = {"error": nested}
    assert read_error(nested) == UpstreamError()
    assert read_body(b"[" * 50_000).message == "[" * 2_000
    long = read_error({"errors": [{"message": "x" * 100_000, "code": "y" * 100_000}] * 100_000})
    assert len(long.message or "") == 2_000
    assert len(long.code or "") == 200
