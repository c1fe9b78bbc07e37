"""Replies that every upstream of OpenAI's family has in common: errors by status and body, and the list of models.

It knows what an error means to the client. A key or an address of the upstream is never repeated to a client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from penstock.errors import ApiError, quota_spent, rate_limited, upstream_failed
from penstock.patterns import lazy_pattern
from penstock.retry_waits import wait_s
from penstock.spent_quota import spent_quota_code
from penstock.too_long import is_too_long
from penstock.upstream_errors import UpstreamError, read_body
from penstock.wire import Model, Unknown

KeyOwner: TypeAlias = Literal["client", "server", "none"]
"""The API key that an upstream was shown: the client's own, one that is configured here, or none."""

_NO_KEY = "none is configured for it on this server (`key_env` or --upstream-key-env names the variable with one)"
_RATE = lazy_pattern(r"rate.?limit|throttl|too.?many.?requests|resource.?exhausted", re.IGNORECASE)
"""Parts of the codes and types of errors after which a client may try again later."""
_CAPACITY_EXCEEDED = 498
"""Groq's status while it has no capacity."""
_FAILURES = {503: 503, 504: 504, _CAPACITY_EXCEEDED: 503, 529: 503}
"""The statuses of failures for the client. 529 is Anthropic's, while it is overloaded."""
_URL_HINT = "(Is the URL that is configured for it right? At most servers it ends in /v1.)"
_REFUSALS = frozenset((400, 404, 409, 413, 415, 422))
"""The statuses within an error that put the blame on the request."""


class _ReadModelMeta(msgspec.Struct, kw_only=True):
    """What llama.cpp reports about a model: its context as it is served, and as it was trained."""

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
        """The size of its context, where it is reported: as it is served first, then as it was trained."""
        meta = self.meta
        reported = (self.max_model_len, meta and meta.n_ctx, self.context_length, meta and meta.n_ctx_train)
        return next((size for size in reported if size and size > 0), None)


class _ReadModels(msgspec.Struct, kw_only=True):
    """The list of models."""

    data: list[msgspec.Raw] = []


_read_model = msgspec.json.Decoder(_ReadModel).decode
_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_MODEL_KEYS = frozenset({"id", "object", "created", "owned_by"})


def read_models(body: bytes) -> list[Model]:
    """The models of a list, with their unknown fields. Raises `ApiError`."""
    return [_model(read, raw) for read, raw in _listed(body)]


def read_context_sizes(body: bytes) -> dict[str, int]:
    """The sizes of the contexts of the models of a list, in tokens, where they are reported. Raises `ApiError`."""
    return {model.id: size for model, _ in _listed(body) if (size := model.context_tokens)}


def _model(read: _ReadModel, raw: msgspec.Raw) -> Model:
    model = Model(id=read.id, created=read.created or 0, owned_by=read.owned_by or "upstream")
    unknown = {name: value for name, value in _fields_of(raw).items() if name not in _MODEL_KEYS}
    if unknown:
        model.unknown = Unknown(unknown)
    return model


def _listed(body: bytes) -> list[tuple[_ReadModel, msgspec.Raw]]:
    try:
        return [(_read_model(raw), raw) for raw in msgspec.json.decode(body, type=_ReadModels).data]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise upstream_failed("The upstream's list of models cannot be read.") from None


def reply_error(
    status: int, headers: Mapping[str, str], body: bytes, *, key: KeyOwner, explains_500: bool = False
) -> ApiError:
    """An error reply. `key` states which key the upstream got: the client gets the refusal of its own key.

    `explains_500`: the server answers 500 to a request that it cannot serve, so that its message is for the client.
    """
    error = read_body(body)
    message = error.message or f"The upstream answered with status {status}."
    if 400 <= status < 500 and (limited := _quota_error(error, message, headers, body, status)):
        return limited
    if status in (401, 403):
        return _refused_key(key) if status == 401 else _forbidden(message, error, key)
    if is_too_long(message, error.code, error.type) or (status == 413 and error.message is None):
        return _too_long(message)
    # spec: format
    if 400 <= status < 500 and status not in (404, 405, 408, _CAPACITY_EXCEEDED):
        return _refused_request(message, error)
    if status == 404:
        hint = "" if error.code or "model" in message.lower() else f" {_URL_HINT}"
        message = f"The upstream does not know this: {message}{hint}"
        return ApiError(message, status=404, code=error.code or "model_not_found")
    # a server's message about its own failure is for its operator: stacks, paths
    # spec: explained-500
    why = f": {' '.join(message.split())}" if status == 500 and explains_500 and error.message else "."
    if status == 405 or 300 <= status < 400:
        why = f". {_URL_HINT}"
    failure = upstream_failed(f"The upstream failed with status {status}{why}", status=_FAILURES.get(status, 502))
    if failure.status == 503:
        failure.retry_after_s = wait_s(headers, body)
    return failure


def reported_error(error: UpstreamError) -> ApiError:
    """An error that came with status 200, whole or in the middle of a stream."""
    message = error.message or "The upstream met an error."
    if limited := _quota_error(error, message, {}, message.encode(), error.status):
        return limited
    if is_too_long(message, error.code, error.type):
        return _too_long(message)
    if error.type == "invalid_request_error" or error.status in _REFUSALS:
        return _refused_request(message, error)
    return upstream_failed(message)


def _quota_error(
    error: UpstreamError, message: str, headers: Mapping[str, str], body: bytes, status: int | None
) -> ApiError | None:
    """The error of a quota that is spent, or of a limit of a rate, with whatever status it came."""
    wait = wait_s(headers, body)
    code = spent_quota_code(message, error.code, error.type, status=status, has_wait=wait is not None)
    if code is not None:
        return quota_spent(message, code)
    # spec: rate-limits-by-any-status
    if 429 in (status, error.status) or _RATE.search(f"{error.code} {error.type}"):
        return rate_limited(message, wait)
    return None


def _too_long(message: str) -> ApiError:
    return ApiError(message, code="context_length_exceeded", param="input")


def _refused_request(message: str, error: UpstreamError) -> ApiError:
    return ApiError(f"The upstream refused the request: {message}", param=error.param, code=error.code)


def _refused_key(key: KeyOwner) -> ApiError:
    """The upstream wants another key: whose that was, and how one is configured."""
    if key == "client":
        message = f"The upstream refused the API key that was given, which is passed on since {_NO_KEY}."
        return ApiError(message, status=401, code="invalid_api_key")
    if key == "none":
        return upstream_failed(f"The upstream wants an API key, and {_NO_KEY}.", retriable=False)
    message = "The upstream refused the API key that is configured for it (`key_env` or --upstream-key-env names it)."
    return upstream_failed(message, retriable=False)


def _forbidden(message: str, error: UpstreamError, key: KeyOwner) -> ApiError:
    """The upstream does not allow this, for whatever reason it gives; to a key of ours, no client can change that."""
    message = f"The upstream refused the request: {message}"
    if key == "client":
        return ApiError(message, status=403, param=error.param, code=error.code)
    return upstream_failed(message, retriable=False)
