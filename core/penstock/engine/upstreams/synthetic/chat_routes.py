"""The routes of chat clients that the synthetic model answers, in place of a server such as vLLM.

It reads the bodies, asks the model for a turn for each choice, and makes the reply. It knows which routes there are.
`penstock.dialects.chat_completions.serve` knows the formats.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from penstock.dialects.chat_completions.serve.chunks import ChatChunks, TextChunks
from penstock.dialects.chat_completions.serve.embeddings import embedding_inputs, write_embeddings
from penstock.dialects.chat_completions.serve.inputs import Input, is_list_of_inputs, read_tokens
from penstock.dialects.chat_completions.serve.replies import Detokenized, Tokens
from penstock.dialects.chat_completions.serve.requests import (
    Body,
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    EmbeddingsRequest,
    TokenizeRequest,
)
from penstock.dialects.chat_completions.serve.turns import (
    Generation,
    chat_generation,
    completion_generation,
    in_chat_terms,
)
from penstock.dialects.chat_completions.serve.whole import CompletionWriter
from penstock.dialects.synthetic import CONTEXT_TOKENS, vocabulary
from penstock.dialects.synthetic.embedding import DIMENSIONS, unit_vector
from penstock.dialects.synthetic.lengths import too_long
from penstock.dialects.synthetic.options import SyntheticOptions
from penstock.engine.offload import offload
from penstock.engine.request.json_bounds import check_depth, count_entries
from penstock.engine.request.request_body import check_size, read_plain_body
from penstock.engine.request.unknown_parameters import Policy, settle_unknown
from penstock.errors import ApiError, invalid, not_found
from penstock.ids import new_id, now_s
from penstock.limits import Limits
from penstock.ports import Deltas, HttpReply, PassthroughRequest, Turn
from penstock.telemetry import current
from penstock.wire import NULL

from .chat_replies import ChunkedReply, PiecesReply, WholeReply, note_end

T = TypeVar("T", bound=Body)

_DEEP = ("tools", "response_format")
"""Parameters with JSON schemas, which are not decoded."""
_KINDS = {"chat": (ChatChunks, "chatcmpl-"), "text": (TextChunks, "cmpl-")}
"""The writer of chunks, and the prefix of ids, of each kind of completion."""

_encode = msgspec.json.Encoder().encode

Route: TypeAlias = Callable[[PassthroughRequest], Awaitable[HttpReply]]


class Model(Protocol):
    """The model that answers."""

    def options(self, model: str, header: str) -> SyntheticOptions:
        """The options of a request. Raises `ApiError`."""

    async def open(self, turn: Turn) -> Deltas:
        """Begin a turn. Raises `ApiError`."""

    async def count_tokens(self, turn: Turn) -> int | None:
        """The tokens of a turn's input. Raises `ApiError`."""


class ChatRoutes:
    """The routes of one model."""

    def __init__(self, model: Model, limits: Limits, unknown_parameters: Policy) -> None:
        self._model = model
        self._limits = limits
        self._policy = unknown_parameters
        self._routes: dict[str, Route] = {
            "/chat/completions": self._complete_chat,
            "/completions": self._complete_text,
            "/embeddings": self._embed,
            "/tokenize": self._tokenize,
            "/detokenize": self._detokenize,
        }

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """The reply to a request. Raises `ApiError`."""
        route = self._routes.get(request.path)
        if route is None:
            raise not_found(f"The built-in model does not serve {request.path}.", "unknown_url")
        return await route(request)

    async def _complete_chat(self, request: PassthroughRequest) -> HttpReply:
        try:
            return await self._generate(await offload(len(request.body), self._chat, request))
        except ApiError as error:
            raise in_chat_terms(error, "messages") from None

    async def _complete_text(self, request: PassthroughRequest) -> HttpReply:
        try:
            return await self._generate(await offload(len(request.body), self._completion, request))
        except ApiError as error:
            raise in_chat_terms(error, "prompt") from None

    def _chat(self, request: PassthroughRequest) -> Generation:
        body = self._read(request, ChatRequest)
        return self._sized(chat_generation(body, request.model, _named(request), self._limits), request)

    def _completion(self, request: PassthroughRequest) -> Generation:
        body = self._read(request, CompletionRequest)
        _check_inputs(body.prompt, self._limits.choices_max, "prompt")
        return self._sized(
            completion_generation(body, request.model, _named(request), self._limits, vocabulary), request
        )

    def _context(self, request: PassthroughRequest) -> int | None:
        """The size of the context in tokens, where an option limits it."""
        return self._model.options(request.model, request.synthetic).context

    def _sized(self, generation: Generation, request: PassthroughRequest) -> Generation:
        """The generation, whose turns have what they need of the request beside its body."""
        for turn in generation.turns:
            turn.size = len(request.body)
            turn.client, turn.synthetic = request.client, request.synthetic
        return generation

    async def _generate(self, generation: Generation) -> HttpReply:
        """The reply to a request for completions. An error before the first delta is an HTTP status."""
        writer_class, prefix = _KINDS[generation.kind]
        if not generation.stream:
            return WholeReply(await self._collect(generation, prefix))
        writer = writer_class(generation, id=new_id(prefix), created=now_s())
        if generation.counts_tokens:
            turn = generation.turns[0]
            tokens_per_delta = self._model.options(turn.model, turn.synthetic).tokens_per_delta
            writer.count(prompt_tokens=await self._count(generation), tokens_per_delta=tokens_per_delta)
        return ChunkedReply(await self._open(generation), writer, current())

    async def _open(self, generation: Generation) -> list[Deltas]:
        """The deltas of each choice."""
        choices: list[Deltas] = []
        try:
            for turn in generation.turns:
                choices.append(await self._model.open(turn))  # noqa: PERF401 - those that are open are closed again
        except BaseException:
            await _close(choices)
            raise
        return choices

    async def _collect(self, generation: Generation, prefix: str) -> bytes:
        """The body with all choices."""
        writer = CompletionWriter(generation)
        choices = await self._open(generation)
        try:
            for index, deltas in enumerate(choices):
                async for batch in deltas:
                    writer.add(index, batch)
        finally:
            await _close(choices)
        note_end(current(), writer)
        return writer.write(id=new_id(prefix), created=now_s())

    async def _count(self, generation: Generation) -> int:
        """The tokens of all prompts."""
        step = generation.choices_per_prompt
        known = generation.prompt_tokens[::step]
        return sum(
            [
                (await self._model.count_tokens(turn) or 0) if tokens is None else tokens
                for turn, tokens in zip(generation.turns[::step], known, strict=True)
            ]
        )

    async def _embed(self, request: PassthroughRequest) -> HttpReply:
        body, inputs = await offload(len(request.body), self._embeddings, request)
        context, longest = self._context(request), max([each.tokens for each in inputs], default=0)
        if context is not None and longest > context:
            raise too_long(longest, context)
        vector_of = partial(unit_vector, dimensions=body.dimensions or DIMENSIONS)
        pieces = write_embeddings(body, inputs, _named(request), vector_of)
        return WholeReply(b"".join(pieces)) if len(inputs) == 1 else PiecesReply(pieces)

    def _embeddings(self, request: PassthroughRequest) -> tuple[EmbeddingsRequest, list[Input]]:
        body = self._read(request, EmbeddingsRequest)
        _check_inputs(body.input, self._limits.embedding_inputs_max, "input")
        return body, embedding_inputs(body, vocabulary, self._limits)

    async def _tokenize(self, request: PassthroughRequest) -> HttpReply:
        tokens = await offload(len(request.body), self._tokens, request)
        tokens.max_model_len = self._context(request) or CONTEXT_TOKENS
        return WholeReply(await offload(len(request.body), _encode, tokens))

    def _tokens(self, request: PassthroughRequest) -> Tokens:
        """The tokens of a text, or of the messages of a chat."""
        check_text_size(len(request.body), self._limits)
        body = self._read(request, TokenizeRequest)
        if body.prompt is not None and body.messages is not None:
            raise invalid("Expected either 'prompt' or 'messages', but got both.", "prompt")
        if body.messages is not None:
            chat = ChatRequest(messages=body.messages, tools=body.tools)
            [turn] = chat_generation(chat, request.model, _named(request), self._limits).turns
            tokens = vocabulary.prompt_tokens(turn)
        elif body.prompt is not None:
            tokens = vocabulary.tokens_of(body.prompt)
        else:
            raise invalid("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
        texts = [vocabulary.text_of([token]) for token in tokens] if body.return_token_strs else None
        return Tokens(count=len(tokens), max_model_len=CONTEXT_TOKENS, tokens=tokens, token_strs=texts)

    async def _detokenize(self, request: PassthroughRequest) -> HttpReply:
        return WholeReply(await offload(len(request.body), self._text, request))

    def _text(self, request: PassthroughRequest) -> bytes:
        tokens = self._read(request, DetokenizeRequest).tokens
        return _encode(Detokenized(prompt=read_tokens(tokens, "tokens", vocabulary)))

    def _read(self, request: PassthroughRequest, kind: type[T]) -> T:
        """The body as a struct. Raises `ApiError` 400, also for unknown parameters where the policy rejects them.

        Parameters that are ignored, and those that change nothing, are noted for the reply.
        """
        body, fields = read_plain_body(request.body, kind, self._limits, _sizes)
        for name in _DEEP:
            if name in fields:
                check_depth(fields[name], name, self._limits)
        unknown = {name: fields[name] for name in fields.keys() - _known(kind)}
        idle = [name for name in kind.without_effect & fields.keys() if fields[name] != NULL]
        # spec: synthetic-chat
        current().ignored = sorted([*settle_unknown(unknown, self._policy).ignored, *idle])
        return body


def check_text_size(size_bytes: int, limits: Limits) -> None:
    """Raises `ApiError` 400 for a text that is too long to return its tokens."""
    if size_bytes > limits.tokenized_bytes_max:
        message = f"Invalid 'prompt': too long. Expected a body of at most {limits.tokenized_bytes_max} bytes."
        raise invalid(message, "prompt", "string_above_max_length")


def _check_inputs(raw: msgspec.Raw, size_max: int, param: str) -> None:
    """Raises `ApiError` 400 for too many inputs, before they are decoded."""
    if is_list_of_inputs(raw):
        check_size(count_entries(raw), size_max, param)


def _sizes(limits: Limits) -> dict[str, int]:
    return {"messages": limits.input_items_max, "tools": limits.tools_max}


@cache
def _known(kind: type[Body]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind))


def _named(request: PassthroughRequest) -> str:
    """The name of the model for the client."""
    return request.named or request.model


async def _close(choices: list[Deltas]) -> None:
    for deltas in choices:
        await deltas.aclose()
