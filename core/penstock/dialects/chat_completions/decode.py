"""A Chat Completions reply as deltas: a stream in any split, or a whole JSON body.

It knows every way in which backends stray from the specification, so that nothing behind it must. It keeps no text:
only which call is which, and whether the end was told.
"""

from __future__ import annotations

import msgspec

from penstock.characters import mended
from penstock.errors import ApiError, untraced, upstream_failed
from penstock.replies import ReadError, told_error
from penstock.sse import SseReader
from penstock.transcript.deltas import (
    AnnotationDelta,
    Delta,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from penstock.wire import (
    UNSET,
    IncompleteReason,
    InputTokensDetails,
    Logprob,
    OutputTokensDetails,
    TopLogprob,
    UnsetType,
    UrlCitation,
    Usage,
)

from . import wire
from .extras import ExtrasReader
from .packed import packed
from .think import ThinkSplitter

_decode_details = msgspec.json.Decoder(list[wire.ReasoningDetail] | None).decode
_decode = msgspec.json.Decoder(wire.ReadReply).decode

_INCOMPLETE: dict[str, IncompleteReason] = {
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "model_length": "max_output_tokens",
    "content_filter": "content_filter",
}
"""The finish reasons that are not an end by the model's own will."""


class ChatDecoder:
    """One reply. Its first byte tells a stream from a JSON body, since not every backend's headers do."""

    def __init__(self, *, inline_think: bool, event_bytes_max: int, extras: ExtrasReader | None = None) -> None:
        self.is_done = False
        self._event_bytes_max = event_bytes_max
        self._sse = SseReader(event_bytes_max=event_bytes_max)
        self._begun = b""
        self._body: bytearray | None = None
        self._is_stream = False
        self._extras = extras or ExtrasReader("", bytes_max=event_bytes_max)
        self._calls = _Calls(self._extras)
        self._think = ThinkSplitter() if inline_think else None
        self._unsaid: list[Logprob] = []
        """Those of tokens that made no text yet, being pieces of a character; they are told with the next text."""
        self._finish: Finish | None = None
        self._error: ApiError | None = None

    def feed(self, chunk: bytes) -> list[Delta]:
        """The deltas that this chunk completes. Raises `ApiError` where the upstream tells of an error."""
        if self._is_stream:
            return self._take_events(self._sse.feed(chunk))
        if self._body is not None:
            return self._feed_body(self._body, chunk)
        return self._feed_first(chunk)

    @property
    def has_finished(self) -> bool:
        """Whether an end was told, in either of the two ways."""
        return self._finish is not None or self.is_done

    def close(self) -> list[Delta]:
        """The end of the reply: what was held back, and the finish. A reply that no end was told of was cut."""
        out: list[Delta] = []
        if self._body is not None:
            self._reply(bytes(self._body), out)
        else:
            out += self._take_events(self._sse.close())
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None
        if self._think:
            out += self._think.close()
        if not self.has_finished:
            raise upstream_failed("The upstream ended its reply before it was finished.")
        out += self._extras.close()
        out.append(self._finish or Finish())
        return out

    def _feed_first(self, chunk: bytes) -> list[Delta]:
        """Tell a stream from a JSON body, and from a page of HTML."""
        self._begun = (self._begun + chunk).lstrip()
        if not self._begun:
            return []
        first, begun = self._begun[:1], self._begun
        self._begun = b""
        if first == b"{":
            self._body = bytearray()
        elif first == b"<":
            raise upstream_failed("The upstream answered with a page of HTML: is its URL right?", retriable=False)
        else:
            self._is_stream = True
        return self.feed(begun)

    def _feed_body(self, body: bytearray, chunk: bytes) -> list[Delta]:
        body += chunk
        if len(body) > self._event_bytes_max:
            raise upstream_failed(f"The upstream sent a reply of over {self._event_bytes_max} bytes.")
        return []

    def _take_events(self, events: list[bytes]) -> list[Delta]:
        """The deltas of these events; an error waits for its turn behind what was said before it."""
        out: list[Delta] = []
        try:
            for data in events:
                if data == b"[DONE]":
                    self.is_done = True
                elif not self.is_done:
                    self._reply(data, out)
        except ApiError as error:
            if not out:
                raise
            self._error, self.is_done = untraced(error), True
        return out

    def _reply(self, data: bytes, out: list[Delta]) -> None:
        """One chunk, or a whole completion."""
        try:
            reply = _read(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise upstream_failed(f"The upstream sent what is not a chat completion: {error}") from None
        if reply.error is not None or (reply.choices is None and reply.object == "error"):
            told = reply.error
            raise told_error(told if isinstance(told, ReadError) else ReadError(message=told or reply.message))
        for choice in reply.choices or ():
            if not choice.index:  # only one was asked for
                self._choice(choice, out)
        if reply.usage is not None:
            out.append(UsageDelta(_usage(reply.usage)))

    def _choice(self, choice: wire.ReadChoice, out: list[Delta]) -> None:
        message = choice.delta or choice.message
        if message is not None:
            if message.extras is not UNSET or message.reasoning_details is not UNSET:
                self._extras.message(message)
            self._message(message, choice.logprobs, out)
        if choice.finish_reason:
            if choice.finish_reason == "error":
                raise upstream_failed("The upstream met an error while it was answering.")
            self._finish = Finish(_INCOMPLETE.get(choice.finish_reason))
        elif self._body is not None:  # a whole reply has its end, whether or not it says why
            self._finish = Finish()

    def _message(self, message: wire.ReadMessage, logprobs: wire.ReadLogprobs | None, out: list[Delta]) -> None:
        if thought := message.reasoning_content or message.reasoning or _details(message.reasoning_details):
            out.append(ReasoningDelta(thought))
        if message.content:
            self._content(message.content, logprobs, out)
        elif logprobs and not (thought or message.tool_calls):
            self._unsaid += _logprobs(logprobs)
        if message.refusal:
            out.append(RefusalDelta(message.refusal))
        for annotation in message.annotations or ():
            out += _annotation(annotation)
        if message.tool_calls:
            out += self._calls.read(message.tool_calls)
        elif message.function_call:  # the older form, which some send beside the newer one
            out += self._calls.read([wire.ReadToolCall(index=0, function=message.function_call)])

    def _content(
        self, content: str | list[wire.ReadPart], logprobs: wire.ReadLogprobs | None, out: list[Delta]
    ) -> None:
        if isinstance(content, str):
            self._text(content, logprobs, out)
            return
        for part in content:
            if part.text:
                self._text(part.text, logprobs, out)
                logprobs = None
            if part.refusal:
                out.append(RefusalDelta(part.refusal))

    def _text(self, text: str, logprobs: wire.ReadLogprobs | None, out: list[Delta]) -> None:
        told: list[Logprob] = []
        if logprobs or self._unsaid:
            told, self._unsaid = self._unsaid + _logprobs(logprobs), []
        if self._think:
            out += self._think.feed(text, told)
        else:
            out.append(TextDelta(text, told))


def _read(data: bytes) -> wire.ReadReply:
    try:
        return _decode(data)
    except msgspec.ValidationError:
        return _decode(packed(data))
    except (msgspec.DecodeError, UnicodeError):  # a character in halves, it may be
        return _decode(mended(data))


class _Calls:
    """Tells the calls of a turn apart. The index should do so; where it is missing or repeated, id and name do."""

    def __init__(self, extras: ExtrasReader) -> None:
        self._extras = extras
        self._lanes: dict[int, int] = {}
        self._ids: dict[int, str] = {}
        self._count = 0

    def read(self, calls: list[wire.ReadToolCall]) -> list[Delta]:
        """The calls, or pieces of calls, of one chunk."""
        return [self._delta(call) for call in calls]

    def _delta(self, call: wire.ReadToolCall) -> ToolCallDelta:
        function = call.function or wire.ReadFunction()
        arguments = function.arguments or ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        lane = self._lane(call, function)
        if call.id or call.extras is not UNSET:
            self._extras.call(lane, call)
        return ToolCallDelta(lane=lane, call_id=call.id or None, name=function.name or None, arguments=arguments)

    def _lane(self, call: wire.ReadToolCall, function: wire.ReadFunction) -> int:
        key = call.index if call.index is not None else -1
        lane = self._lanes.get(key)
        if lane is None and key == -1 and self._count and not (call.id or function.name):
            return self._count - 1  # a piece without any mark belongs to the last call
        another_id = bool(call.id) and self._ids.get(key) not in (None, call.id)
        another_name = key == -1 and bool(function.name) and not call.id
        if lane is None or another_id or another_name:
            lane = self._lanes[key] = self._count
            self._ids.pop(key, None)
            self._count += 1
        if call.id:
            self._ids[key] = call.id
        return lane


def _details(raw: msgspec.Raw | UnsetType) -> str:
    details = _decode_details(raw) if raw is not UNSET else None
    return "".join(detail.text or detail.summary or "" for detail in details) if details else ""


def _annotation(read: wire.ReadAnnotation) -> list[Delta]:
    """A citation of a page, which is the one annotation that Chat Completions has."""
    citation = read.url_citation or read
    if not citation.url:
        return []
    return [
        AnnotationDelta(
            UrlCitation(
                url=citation.url,
                title=citation.title or "",
                start_index=citation.start_index or 0,
                end_index=citation.end_index or 0,
            )
        )
    ]


def _logprob(read: wire.ReadLogprob) -> Logprob:
    top = [_top_logprob(token) for token in read.top_logprobs or ()]
    return Logprob(token=read.token, logprob=read.logprob, bytes=_bytes(read), top_logprobs=top)


def _logprobs(read: wire.ReadLogprobs | None) -> list[Logprob]:
    return [_logprob(token) for token in read.content] if read and read.content else []


def _top_logprob(read: wire.ReadTopLogprob) -> TopLogprob:
    return TopLogprob(token=read.token, logprob=read.logprob, bytes=_bytes(read))


def _bytes(read: wire.ReadTopLogprob) -> list[int]:
    return list(read.token.encode()) if read.bytes is None else read.bytes


def _usage(read: wire.ReadUsage) -> Usage:
    prompt = read.prompt_tokens_details or wire.ReadPromptDetails()
    completion = read.completion_tokens_details or wire.ReadCompletionDetails()
    input_tokens, output_tokens = read.prompt_tokens or 0, read.completion_tokens or 0
    return Usage(
        input_tokens=input_tokens,
        input_tokens_details=InputTokensDetails(
            cached_tokens=prompt.cached_tokens or read.prompt_cache_hit_tokens or 0,
            cache_write_tokens=prompt.cache_write_tokens or 0,
        ),
        output_tokens=output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=completion.reasoning_tokens or 0),
        total_tokens=read.total_tokens or input_tokens + output_tokens,
    )
