"""Thoughts and media that stand in parts, and messages that come twice or not at all."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from core.dialects.chat_completions.decoded import STOP, bytewise, call, choice, decode, piece, stream, whole
from core.kit import Json
from penstock.errors import ApiError
from penstock.transcript.deltas import (
    AnnotationDelta,
    AudioDelta,
    Delta,
    Extras,
    Finish,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
)
from penstock.wire import Logprob, TopLogprob, UrlCitation
from requirements import shows

HM, A = ReasoningDelta("hm"), TextDelta("a")
TEXT: Json = {"type": "text", "text": "a"}
HM_TEXT: Json = {"type": "text", "text": "hm"}

MESSAGES: dict[str, tuple[Json, list[Delta]]] = {
    "Magistral": ({"content": [{"type": "thinking", "thinking": [HM_TEXT]}, TEXT]}, [HM, A]),
    "Magistral, in pieces": (
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": each} for each in "hm"]}]},
        [HM],
    ),
    "Anthropic": ({"content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, TEXT]}, [HM, A]),
    "Anthropic, sealed": ({"content": [{"type": "redacted_thinking", "data": "x"}, TEXT]}, [A]),
    "Gemini": ({"content": [{"text": "hm", "thought": True}, {"text": "a"}]}, [HM, A]),
    "reasoning": ({"content": [{"type": "reasoning", "text": "hm"}, TEXT]}, [HM, A]),
    "reasoning within": ({"content": [{"type": "reasoning", "reasoning": "hm"}, TEXT]}, [HM, A]),
    "reasoning_content": ({"content": [{"type": "reasoning_content", "reasoning_content": [HM_TEXT]}, TEXT]}, [HM, A]),
    "a summary": (
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, TEXT]},
        [HM, A],
    ),
    "thought": ({"content": [{"type": "thought", "thought": "hm"}, TEXT]}, [HM, A]),
    "thought within": ({"content": [{"type": "thought", "thought": {"text": "hm"}}, TEXT]}, [HM, A]),
    "few call it thought": ({"thought": "hm", "content": "a"}, [HM, A]),
    "few call it reasoning_text": ({"reasoning_text": [HM_TEXT], "content": "a"}, [HM, A]),
    "an unknown kind of thought": ({"content": [{"type": "chain_of_thought_v2", "content": "hm"}, TEXT]}, [HM, A]),
    "one part that is no list": ({"content": {"type": "thinking", "thinking": "hm"}}, [HM]),
    "texts that are no parts": ({"content": ["a", {"type": "thinking", "thinking": ["h", "m"]}]}, [A, HM]),
    "a text with something beside it": ({"content": [{"type": "text", "text": {"value": "a"}}]}, [A]),
    "thinking beside the text": ({"thinking": "hm", "content": "a"}, [HM, A]),
    "thinking blocks": ({"thinking_blocks": [{"type": "thinking", "thinking": "hm"}], "content": "a"}, [HM, A]),
    "the same thought by every name": (
        {"reasoning_content": "hm", "thinking": "hm", "thinking_blocks": [{"thinking": "hm"}], "content": "a"},
        [HM, A],
    ),
    "a list for a text": ({"reasoning_content": [HM_TEXT], "content": "a"}, [HM, A]),
    "an object for a text": ({"reasoning": {"text": "hm"}, "content": "a"}, [HM, A]),
    "details with a summary": (
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}, {"type": "reasoning.encrypted"}]},
        [HM],
    ),
    "sealed details": ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}], "content": "a"}, [A]),
    "an unknown part with text": ({"content": [{"type": "quote", "text": "a"}]}, [A]),
    "a refusal in a part": ({"content": [{"type": "refusal", "refusal": "no"}]}, [RefusalDelta("no")]),
    "a number for a text": ({"content": 5}, [TextDelta("5")]),
    "Bedrock": ({"content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "a"}]}, [HM, A]),
    "Bedrock behind a gateway": (
        {"content": [{"type": "reasoning_content", "reasoning_content": {"reasoning_text": {"text": "hm"}}}, TEXT]},
        [HM, A],
    ),
    "an analysis": ({"content": [{"type": "analysis", "text": "hm"}, TEXT]}, [HM, A]),
    "few call it reasoningContent": ({"reasoningContent": "hm", "content": "a"}, [HM, A]),
    "few call it thinking_text": ({"thinking_text": "hm", "content": "a"}, [HM, A]),
    "Copilot's summary": ({"cot_summary": "hm", "content": "a"}, [HM, A]),
    "Perplexity's steps": ({"reasoning_steps": [{"type": "web_search", "thought": "hm"}], "content": "a"}, [HM, A]),
    "a text that is called content": ({"content": [{"type": "text", "content": "a"}]}, [A]),
}


def ways(message: Json) -> list[bytes]:
    return [stream(choice(message), choice({}, "stop")), whole(message)]


@shows("thoughts-as-parts")
@pytest.mark.parametrize(("message", "deltas"), MESSAGES.values(), ids=MESSAGES)
def test_parts_are_reported_as_what_they_are(message: Json, deltas: list[Delta]) -> None:
    for data in ways(message):
        for pieces in ([data], bytewise(data)):
            assert [delta for delta in decode(*pieces) if not isinstance(delta, Extras)] == [*deltas, STOP]


MARK: Json = {"extra_content": {"google": {"thought": True}}}
MARKED: dict[str, list[Json]] = {
    "pieces": [{"content": "<thought>h"} | MARK, {"content": "m"} | MARK, {"content": "</thought>a"}],
    "pieces without tags": [{"content": "h"} | MARK, {"content": "m"} | MARK, {"content": "a"}],
    "one text": [{"content": "<thought>hm</thought>a"} | MARK],
    "the thought and its end": [{"content": "<thought>hm</thought>"} | MARK, {"content": "a"}],
    "a role first": [
        {"role": "assistant", "content": ""},
        {"content": "<thought>hm"} | MARK,
        {"content": "</thought>a"},
    ],
}


@shows("marked-thoughts")
@pytest.mark.parametrize("messages", MARKED.values(), ids=MARKED)
def test_a_marked_text_is_a_thought(messages: list[Json]) -> None:
    """The mark itself is not returned: the answer is no thought."""
    data = stream(*map(choice, messages), choice({}, "stop"))
    for pieces in ([data], bytewise(data)):
        deltas = decode(*pieces)
        assert "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta)) == "hm"
        assert deltas[-2:] == [A, STOP]
        assert not any(isinstance(delta, Extras) for delta in deltas)


@shows("marked-thoughts")
def test_a_whole_marked_message_has_both() -> None:
    assert decode(whole({"content": "<thought>hm</thought>a"} | MARK)) == [HM, A, STOP]
    assert decode(whole({"content": "a"} | MARK)) == [A, STOP]


@shows("marked-thoughts", "returned-fields")
def test_what_stands_beside_the_mark_is_returned() -> None:
    beside = {"extra_content": {"google": {"thought": True, "thought_signature": "x"}}}
    data = stream(choice({"content": "<thought>hm"} | beside), choice({"content": "</thought>a"}, "stop"))
    (returned,) = [delta for delta in decode(data) if isinstance(delta, Extras)]
    assert json.loads(bytes(returned.turn["extra_content"])) == {"google": {"thought_signature": "x"}}


PNG, LINK = "data:image/png;base64,iVBORw0=", "https://example.com/a.png"
IMAGE = ImageDelta("iVBORw0=", "png")

MEDIA: dict[str, tuple[Json, list[Delta]]] = {
    "images": (
        {"content": "a", "images": [{"type": "image_url", "image_url": {"url": PNG}, "index": 0}]},
        [A, IMAGE],
    ),
    "images alone": ({"content": None, "images": [{"image_url": PNG}, PNG]}, [IMAGE, IMAGE]),
    "an image_url part": ({"content": [TEXT, {"type": "image_url", "image_url": {"url": PNG}}]}, [A, IMAGE]),
    "an output_image part": ({"content": [{"type": "output_image", "image_url": PNG}]}, [IMAGE]),
    "base64": ({"content": [{"type": "image", "b64_json": "iVBORw0="}]}, [ImageDelta("iVBORw0=")]),
    "Anthropic's": (
        {"content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}}]},
        [IMAGE],
    ),
    "Gemini's": (
        {"content": [{"type": "inline_data", "inline_data": {"mime_type": "image/png", "data": "iVBORw0="}}]},
        [IMAGE],
    ),
    "Gemini's, by its own names": (
        {"content": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}}, {"text": "a"}]},
        [IMAGE, A],
    ),
    "a drawing that is no base64": (
        {"images": [{"image_url": {"url": "data:image/svg+xml;utf8,%3Csvg/%3E"}}]},
        [ImageDelta("PHN2Zy8+", "svg+xml")],
    ),
    "an empty image": ({"content": "a", "images": [{"image_url": {"url": "data:image/png;base64,"}}, {}]}, [A]),
    "a link": ({"images": [{"image_url": {"url": LINK}}]}, [TextDelta(f"![image]({LINK})")]),
    "speech": (
        {"content": None, "audio": {"id": "audio_1", "data": "UklGRg==", "transcript": "a", "expires_at": 1}},
        [AudioDelta("UklGRg=="), A],
    ),
    "a part of speech": (
        {"content": [{"type": "output_audio", "audio": {"data": "UklGRg==", "transcript": "a"}}]},
        [AudioDelta("UklGRg=="), A],
    ),
    "sound alone": (
        {"audio": {"data": "UklGRg=="}},
        [AudioDelta("UklGRg=="), TextDelta("[The model answered with what cannot be shown here: audio]")],
    ),
    "what is not known": (
        {"content": [{"type": "hologram", "beams": 7}, {"type": "hologram"}, {"type": "smell"}]},
        [TextDelta("[The model answered with what cannot be shown here: hologram, smell]")],
    ),
    "what is not known, beside a text": ({"content": [{"type": "hologram"}, TEXT]}, [A]),
}


@shows("media-in-answers", "answered-media")
@pytest.mark.parametrize(("message", "deltas"), MEDIA.values(), ids=MEDIA)
def test_media_are_reported_or_named(message: Json, deltas: list[Delta]) -> None:
    for data in ways(message):
        assert decode(data) == [*deltas, STOP]
        assert decode(*bytewise(data)) == [*deltas, STOP]


@shows("media-in-answers", "answered-media")
@pytest.mark.parametrize("name", ["image", "image_urls", "video", "videos", "attachments", "files"])
def test_media_beside_the_content_are_named(name: str) -> None:
    note = f"[The model answered with what cannot be shown here: {name}]"
    for data in ways({"content": None, name: [{"url": LINK}]}):
        assert decode(data)[0] == TextDelta(note)
        assert decode(*bytewise(data))[0] == TextDelta(note)
    assert decode(*ways({"content": "a", name: []})[:1])[0] == A


def test_a_note_of_unknown_parts_is_short() -> None:
    parts = [{"type": f"{number} " + "x" * 1_000} for number in range(1_000)]
    note = decode(whole({"content": parts}), event_bytes_max=10_000_000)[0]
    assert isinstance(note, TextDelta)
    assert len(note.text) < 1_200


@shows("media-in-answers")
def test_an_unknown_part_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        decode(whole({"content": [{"type": "hologram"}, TEXT]}))
    assert "content part 'hologram' has no place" in caplog.text


CALL = piece('{"x":1}', "f", index=0, id="c")
CALLED = [call(0, '{"x":1}', "f", "c")]
TWICE: dict[str, tuple[list[Json], list[Delta]]] = {
    "the text": (
        [choice({"content": "a"}), {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}],
        [A],
    ),
    "the text, beside an empty delta": (
        [choice({"content": "a"}), choice({}, "stop", message={"role": "assistant", "content": "a"})],
        [A],
    ),
    "the text of many deltas": (
        [choice({"content": "a"}), choice({"content": "a"}), choice(None, "stop", message={"content": "aa"})],
        [A, A],
    ),
    "what has come so far, in every chunk": (
        [choice({"content": "a"}, message={"content": "a"}), choice({"content": "a"}, message={"content": "aa"})],
        [A, A],
    ),
    "a thought, a text and a call": (
        [
            choice({"reasoning_content": "hm"}),
            choice({"content": "a"}),
            choice({"tool_calls": [CALL]}),
            choice({}, "tool_calls", message={"reasoning_content": "hm", "content": "a", "tool_calls": [CALL]}),
        ],
        [HM, A, *CALLED],
    ),
    "a call that no delta has result": (
        [choice({"content": "a"}), choice({}, "tool_calls", message={"content": "a", "tool_calls": [CALL]})],
        [A, *CALLED],
    ),
    "a thought by another name": (
        [choice({"reasoning": "hm"}), choice({"content": "a"}), choice(message={"reasoning_content": "hm"})],
        [HM, A],
    ),
    "a refusal": (
        [choice({"refusal": "no"}), choice({}, "stop", message={"refusal": "no"})],
        [RefusalDelta("no")],
    ),
    "parts": (
        [choice({"content": [TEXT]}), choice({}, "stop", message={"content": "a"})],
        [A],
    ),
    "messages that are pieces": (
        [{"choices": [{"message": {"content": "a"}}]}, {"choices": [{"message": {"content": "a"}}]}],
        [A, A],
    ),
}


@shows("whole-message-last")
@pytest.mark.parametrize(("chunks", "deltas"), TWICE.values(), ids=TWICE)
def test_what_comes_twice_is_reported_once(chunks: list[Json], deltas: list[Delta]) -> None:
    data = stream(*chunks)
    assert decode(data) == [*deltas, STOP]
    assert decode(*bytewise(data)) == [*deltas, STOP]


NOTHING: dict[str, bytes] = {
    "an end mark": stream(),
    "a choice without a message": stream(choice(None, "stop")),
    "no choices": stream({"choices": []}, {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}}),
    "empty data": b"data:\n\ndata: [DONE]\n\n",
    "a comment": b": OPENROUTER PROCESSING\n\n",
    "no bytes": b"",
    "white space": b"\r\n  ",
    "a whole reply without choices": b'{"id": "x", "choices": []}',
    "a whole reply with null choices": b'{"id": "x", "choices": null}',
    "a whole reply without a message": whole(None),
    "an empty object": b"{}",
    "a choice that is none": b'{"choices": [null]}',
}


@shows("nothing-is-failed", "empty-answers")
@pytest.mark.parametrize("data", NOTHING.values(), ids=NOTHING)
def test_nothing_at_all_is_a_failure(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        with pytest.raises(ApiError, match=r"empty|before it was finished|not a chat completion") as caught:
            decode(*pieces)
        assert caught.value.status == 502


@shows("nothing-is-failed")
@pytest.mark.parametrize("data", [b'data: {"message": "boom"}\n\ndata: [DONE]\n\n', b'{"msg": "boom"}', b"null boom"])
def test_nothing_but_words_is_reported_with_the_words(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        with pytest.raises(ApiError, match="boom"):
            decode(*pieces)


EMPTY: dict[str, tuple[bytes, Finish]] = {
    "an empty text": (stream(choice({"role": "assistant", "content": ""}), choice({}, "stop")), STOP),
    "a whole reply with an empty text": (whole({"role": "assistant", "content": ""}), STOP),
    "a whole reply with null": (whole({"role": "assistant", "content": None}), STOP),
    "a filter that left nothing": (stream(choice(None, "content_filter")), Finish("content_filter")),
    "no room for an answer": (whole(None, "length"), Finish("max_output_tokens")),
}


@shows("nothing-is-failed", "empty-answers")
@pytest.mark.parametrize(("data", "end"), EMPTY.values(), ids=EMPTY)
def test_an_empty_message_is_an_answer(data: bytes, end: Finish) -> None:
    assert decode(data) == [end]


@pytest.mark.parametrize("keepalive", [b"data: \n\n", b"data:\n\n", b"data: {}\n\n", b'data: {"type": "ping"}\n\n'])
def test_a_sign_of_life_is_no_answer_and_no_fault(keepalive: bytes) -> None:
    data: Any = keepalive + stream(choice({"content": "a"}, "stop"), done=False) + keepalive
    assert decode(data) == [A, STOP]


URL = "https://example.com/a"
CITED = AnnotationDelta(UrlCitation(url=URL, title="A"))
SOURCES: dict[str, Json] = {
    "Perplexity": {"citations": [URL], "search_results": [{"title": "A", "url": URL, "date": "2026-01-01"}]},
    "objects": {"citations": [{"url": URL, "title": "A"}]},
}


@shows("sources-beside", "answered-sources")
@pytest.mark.parametrize("beside", SOURCES.values(), ids=SOURCES)
def test_sources_beside_an_answer_are_annotations(beside: Json) -> None:
    body = json.loads(whole({"content": "a[1]"})) | beside
    for data in (
        stream(choice({"content": "a[1]"}) | beside, choice({}, "stop") | beside),
        json.dumps(body).encode(),
    ):
        for pieces in ([data], bytewise(data)):
            assert decode(*pieces) == [TextDelta("a[1]"), CITED, STOP]


def test_sources_in_a_message_are_annotations_where_it_has_no_others() -> None:
    sources = [{"url": URL, "title": "A"}]
    for data in ways({"content": "a", "citations": sources}):
        assert decode(data) == [TextDelta("a"), CITED, STOP]
    annotations = [{"type": "url_citation", "url_citation": sources[0]}]
    for data in ways({"content": "a", "citations": ["https://example.com/b"], "annotations": annotations}):
        assert decode(data) == [TextDelta("a"), CITED, STOP]
    for data in ways({"content": "a", "annotations": [URL]}):
        assert decode(data) == [TextDelta("a"), AnnotationDelta(UrlCitation(url=URL)), STOP]


def test_sources_are_bounded_in_number() -> None:
    urls = [f"https://example.com/{number}" for number in range(1_000)]
    deltas = decode(stream(choice({"content": "a"}, "stop") | {"citations": urls}), event_bytes_max=1_000_000)
    assert len([delta for delta in deltas if isinstance(delta, AnnotationDelta)]) == 100


@shows("calls-apart")
def test_a_message_in_two_choices_is_one() -> None:
    choices = [
        {"index": 0, "message": {"content": "a"}, "finish_reason": "tool_calls"},
        {"index": 1, "message": {"tool_calls": [CALL]}, "finish_reason": "tool_calls"},
    ]
    assert decode(json.dumps({"choices": choices}).encode()) == [TextDelta("a"), *CALLED, STOP]
    choices[0]["message"]["tool_calls"] = [CALL]
    assert decode(json.dumps({"choices": choices}).encode()) == [TextDelta("a"), *CALLED, STOP]


def test_a_choice_may_have_a_text_and_no_message() -> None:
    assert decode(b'{"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]}') == [TextDelta("a"), STOP]
    assert decode(stream({"choices": [{"index": 0, "text": "a"}]}, choice({}, "stop"))) == [TextDelta("a"), STOP]


LIKELY = [
    Logprob(token="a", logprob=-1.0, bytes=[97], top_logprobs=[TopLogprob(token="b", logprob=-2.0, bytes=[98])]),
    Logprob(token="b", logprob=0.0, bytes=[98], top_logprobs=[]),
]


@shows("odd-logprobs")
@pytest.mark.parametrize(
    "logprobs",
    [
        {"tokens": ["a", "b"], "token_logprobs": [-1, None], "top_logprobs": [{"b": -2}, None], "text_offset": [0, 1]},
        [
            {"token": "a", "logprob": -1, "top_logprobs": [{"token": "b", "logprob": -2}]},
            {"token": "b", "logprob": 0, "top_logprobs": None},
        ],
    ],
    ids=["lists side by side", "a list of tokens"],
)
def test_logprobs_are_read_in_either_form(logprobs: Any) -> None:
    body = {"choices": [{"message": {"content": "ab"}, "finish_reason": "stop", "logprobs": logprobs}]}
    for data in (stream(choice({"content": "ab"}, "stop", logprobs=logprobs)), json.dumps(body).encode()):
        assert decode(data) == [TextDelta("ab", LIKELY), STOP]
