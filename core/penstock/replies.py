"""Replies that every upstream of OpenAI's family has in common: errors by status and body, and the list of models.

It knows how backends tell of errors. A key or an address of the upstream is never repeated to a client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.errors import ApiError, rate_limited, upstream_failed
from penstock.wire import Model, Unknown

_MESSAGE_CHARS_MAX = 2_000
_RETRY_DEFAULT_S = 1.0
_CONTEXT = re.compile(r"context.{0,20}(length|window|size)|too many tokens|exceeds?.{0,40}context", re.IGNORECASE)


class ReadError(msgspec.Struct, kw_only=True):
    """An error object."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class _ReadReply(msgspec.Struct, kw_only=True):
    """The body of an error reply."""

    error: ReadError | str | None = None
    message: str | None = None
    detail: Any = None


class _ReadModelMeta(msgspec.Struct, kw_only=True):
    """What llama.cpp tells of a model: its context as it is served, and as it was trained."""

    n_ctx: int | None = None
    n_ctx_train: int | None = None


class _ReadModel(msgspec.Struct, kw_only=True):
    """A model of the list. The size of its context is vLLM's `max_model_len`, and OpenRouter's `context_length`."""

    id: str
    created: int | None = None
    owned_by: str | None = None
    max_model_len: int | None = None
    context_length: int | None = None
    meta: _ReadModelMeta | None = None

    @property
    def context_tokens(self) -> int | None:
        """The size of its context, if that is told: as it is served first, then as it was trained."""
        meta = self.meta
        told = (self.max_model_len, meta and meta.n_ctx, self.context_length, meta and meta.n_ctx_train)
        return next((size for size in told if size and size > 0), None)


class _ReadModels(msgspec.Struct, kw_only=True):
    """The list of models."""

    data: list[msgspec.Raw] = []


_read_model = msgspec.json.Decoder(_ReadModel).decode
_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_MODEL_KEYS = frozenset(field.encode_name for field in msgspec.structs.fields(Model))


def read_models(body: bytes) -> list[Model]:
    """The models of a list, with whatever else is said of them. Raises `ApiError`."""
    return [_model(read, raw) for read, raw in _listed(body)]


def read_context_sizes(body: bytes) -> dict[str, int]:
    """The sizes of the contexts of the models of a list, in tokens, where they are told. Raises `ApiError`."""
    return {model.id: size for model, _ in _listed(body) if (size := model.context_tokens)}


def _model(read: _ReadModel, raw: msgspec.Raw) -> Model:
    model = Model(id=read.id, created=read.created or 0, owned_by=read.owned_by or "upstream")
    strangers = {name: value for name, value in _fields_of(raw).items() if name not in _MODEL_KEYS}
    if strangers:
        model.unknown = Unknown(strangers)
    return model


def _listed(body: bytes) -> list[tuple[_ReadModel, msgspec.Raw]]:
    try:
        return [(_read_model(raw), raw) for raw in msgspec.json.decode(body, type=_ReadModels).data]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise upstream_failed("The upstream's list of models cannot be read.") from None


def reply_error(status: int, headers: Mapping[str, str], body: bytes, *, own_key: bool) -> ApiError:
    """An error reply. `own_key` tells that the client's own key was used, so that a refusal of it is the client's."""
    told = _read(body)
    message = told.message or f"The upstream answered with status {status}."
    code = str(told.code) if told.code is not None else None
    if status in (401, 403):
        return _refused(status, own_key=own_key)
    if status == 429:
        return rate_limited(message, _retry_after_s(headers))
    if 400 <= status < 500 and status not in (404, 405, 408):
        return _client_error(message, told.param, code)
    if status == 404:
        return ApiError(f"The upstream does not know this: {message}", status=404, code=code or "model_not_found")
    # what a server says of its own failures is for its operator: stacks, paths
    return upstream_failed(f"The upstream failed with status {status}.", status=status if status in (503, 504) else 502)


def told_error(error: ReadError) -> ApiError:
    """An error told with status 200, whole or in the middle of a stream."""
    message = _short(error.message) or "The upstream met an error."
    if error.code in (429, "429", "rate_limit_exceeded"):
        return rate_limited(message, _RETRY_DEFAULT_S)
    if error.type == "invalid_request_error" or error.code in (400, "400"):
        return _client_error(message, error.param, None)
    return upstream_failed(message)


def _client_error(message: str, param: str | None, code: str | None) -> ApiError:
    if _CONTEXT.search(message):
        return ApiError(message, code="context_length_exceeded", param="input")
    return ApiError(f"The upstream refused the request: {message}", param=param, code=code)


def _refused(status: int, *, own_key: bool) -> ApiError:
    if own_key:
        return ApiError("The upstream refused the API key that was given.", status=status, code="invalid_api_key")
    return upstream_failed("The upstream refused the server's credentials.", retriable=False)


def _read(body: bytes) -> ReadError:
    """The error in a body of any form; none in a page of HTML."""
    try:
        reply = msgspec.json.decode(body, type=_ReadReply)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ReadError()
    error = reply.error
    if not isinstance(error, ReadError):
        detail = reply.detail if isinstance(reply.detail, str) else None
        error = ReadError(message=error or reply.message or detail)
    error.message = _short(error.message)
    return error


def _short(message: str | None) -> str | None:
    return message[:_MESSAGE_CHARS_MAX] if message else None


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """The wait that the upstream asks for, in seconds."""
    for name, units_per_s in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait_s = float(headers.get(name, "")) / units_per_s
        except ValueError:
            continue
        if 0 <= wait_s < 86_400:
            return wait_s
    return _RETRY_DEFAULT_S
