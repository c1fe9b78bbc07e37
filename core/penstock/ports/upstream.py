"""The ports to upstreams: a dialect encodes and decodes, a transport sends and receives, and an upstream does both.

It has structs and protocols only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, TypeVar

import msgspec

from penstock.egress import Egress
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.secrets import Secret
from penstock.tool_calls import FunctionDefinition
from penstock.transcript.deltas import Delta
from penstock.upstream_replies import KeyOwner
from penstock.wire import CreateResponse, InputItem, Model

T = TypeVar("T")

Headers: TypeAlias = list[tuple[str, str]]
"""Header fields in order. Names are in lower case."""


FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})
"""Header fields about the end of a message or about its connection. Only transports send them."""


class Choice(msgspec.Struct, frozen=True):
    """Whether the model may, must or must not call functions, and the one that it must call."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


class EncodedText(msgspec.Struct, frozen=True):
    """A text and its JSON, which was encoded before."""

    text: str
    json: msgspec.Raw


class CachedOffers(list[FunctionDefinition]):
    """Functions that are offered in many turns. A dialect encodes them once, and stores the JSON here."""

    json: msgspec.Raw | None = None
    """The functions as the `tools` of Chat Completions."""


class SharedRequest:
    """What turns have in common that differ in their items only. A dialect encodes the rest of a request once."""

    def __init__(self) -> None:
        self.encoded: dict[tuple[object, str], tuple[bytes, bytes]] = {}
        """The JSON before and after the items, by the dialect and the upstream's name of the model."""


class Turn(msgspec.Struct, kw_only=True):
    """One call of a model: everything that a dialect needs to encode it."""

    model: str
    """The upstream's name of the model."""
    request: CreateResponse
    """The client's parameters: sampling, format, reasoning."""
    items: Sequence[InputItem]
    """The whole context, the oldest first, without `instructions`."""
    size: int = 0
    """The approximate size of the context as JSON, in bytes."""
    instructions: EncodedText | None = None
    """The instructions of the request, where they were encoded before."""
    offers: Sequence[FunctionDefinition] = ()
    choice: Choice = Choice()
    relays: bool = False
    """Whether the upstream has the Responses API, and gets tools and items unchanged."""
    stream: bool = True
    bearer: Secret | None = None
    """The client's key, if it is passed on because the upstream has no configured one."""
    extras: dict[str, msgspec.Raw] = {}
    """Unknown parameters, which are forwarded unchanged."""
    shared: SharedRequest | None = None
    """The same object in all turns that differ in their items only. None where nothing is known of others."""
    head_s: float | None = None
    """How long the head of the reply may take, in seconds, where another upstream could be called instead."""
    client: str = ""
    """The owner of the turn. No upstream gets it."""
    synthetic: str = ""
    """The header `x-penstock-synthetic`: options for the synthetic model. No other upstream gets it."""


class PassthroughRequest(msgspec.Struct, kw_only=True):
    """A request that is passed on unchanged. Only the name of its model is replaced."""

    method: Literal["GET", "POST", "DELETE"] = "POST"
    path: str
    """The path, with its query if it has one."""
    body: bytes = b""
    model: str
    """The upstream's name of the model, which replaces the client's name."""
    named: str | None
    """The client's name of the model, in the body."""
    stream: bool
    accept: str = "*/*"
    bearer: Secret | None = None
    """As in `Turn`."""
    head_s: float | None = None
    """As in `Turn`."""
    client: str = ""
    """As in `Turn`."""
    synthetic: str = ""
    """As in `Turn`."""


class HttpRequest(msgspec.Struct, kw_only=True):
    """A request to an upstream. `path` is relative to the upstream's base URL and begins with a slash."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    beside_v1: bool = False
    """Whether the path is relative to the parent of the base URL's `/v1`, where routes that are not OpenAI's are."""
    headers: Headers
    body: bytes = b""
    head_s: float | None = None
    """How long the head of the reply may take, in seconds."""
    left_out: Sequence[str] = ()
    """The parameters of the client that the request is without, since the upstream refuses them."""


class HttpReply(Protocol):
    """An upstream's reply whose head was read, and whose body was not."""

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, in pieces as they arrive. A cancelled `__anext__` loses nothing and may be called again."""

    async def aclose(self) -> None:
        """Return the connection to the pool, or close it where the body has not ended."""


class TransportError(Exception):
    """No reply was received: no connection, a broken one, or a timeout.

    The message is for clients, and has no address. `cause` is for the log.
    """

    def __init__(self, message: str, *, timed_out: bool = False, was_connected: bool = False, cause: str = "") -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.was_connected = was_connected
        """Whether there was a connection. Then the request itself may have ended it."""
        self.cause = cause


class NoFreeConnection(TransportError):
    """This server can have no further connection to the upstream now. Nothing was sent; the upstream may be well."""


Health: TypeAlias = Literal["well", "sick", "unknown"]
"""The state of an upstream, as far as a failure shows it."""


class RequestRejected(ApiError):
    """An upstream rejected a request because of the request: another attempt would fail too."""

    is_upstreams = True

    def __init__(self, error: ApiError, health: Health = "well", *, upstream_status: int | None = None) -> None:
        super().__init__(
            error.message,
            status=error.status,
            type=error.type,
            code=error.code,
            param=error.param,
            retry_after_s=error.retry_after_s,
            retriable=error.retriable,
        )
        self.health = health
        self.upstream_status = upstream_status
        """The HTTP status of the upstream's reply, if there was one."""
        self.provoked_by: int | None = None
        """A hash of the request, where the request itself may make the upstream fail."""


class AttemptFailed(RequestRejected):
    """An upstream failed before the client got any byte of an answer: another attempt may succeed.

    The same upstream may be called again if `again` is true. Another upstream may be called in any case.
    """

    def __init__(
        self,
        error: ApiError,
        health: Health,
        *,
        again: bool,
        reply: HttpReply | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(error, health, upstream_status=upstream_status)
        self.again = again
        self.reply = reply
        """The upstream's reply, for requests that pass it on."""


class Tls(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How an upstream's certificate is checked, and the client certificate. Files are in PEM format."""

    ca_file: str | None = None
    """The trusted authorities, instead of the system's."""
    cert_file: str | None = None
    """The client certificate, with its key in the same file or in `key_file`."""
    key_file: str | None = None
    """The key of the client certificate."""
    insecure: bool = False
    """Whether any certificate is accepted. An attacker on the network can then read and change everything."""


class Destination(msgspec.Struct, kw_only=True, frozen=True):
    """The address of an upstream, and how it is reached."""

    name: str
    url: str
    tls: Tls = Tls()
    proxy: Secret | None = None
    """The URL of an HTTP proxy, which may contain a password."""
    egress: Egress | None = None
    """For a URL that the operator did not write: only addresses that it admits are connected to."""


class Transport(Protocol):
    """Sends requests to one upstream. Raises `TransportError`."""

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and wait for the reply's head."""

    async def aclose(self) -> None:
        """Close every connection."""


Connect: TypeAlias = Callable[[Destination, Limits], Transport]
"""Makes the transport to a destination, which is not connected yet."""


Exchange: TypeAlias = Generator[HttpRequest, bytes, T]
"""A generator of requests, which gets the body of each reply and returns a `T`.

It raises `ApiError` for a body that it cannot read.
"""


class Decoder(Protocol):
    """Decodes the bytes of one reply to deltas, in any split. Raises `ApiError` where they are an error."""

    is_done: bool
    """Whether the upstream has sent the end of the reply. Then the rest is not read."""

    @property
    def has_finished(self) -> bool:
        """Whether the answer is complete. Then a cut connection is no error."""

    def feed(self, chunk: bytes) -> list[Delta]:
        """The deltas that this chunk completes."""

    def close(self) -> list[Delta]:
        """The deltas that are known only at the end of the reply."""


class Dialect(Protocol):
    """The wire format of an upstream. It is pure, and does no I/O."""

    def encode(self, turn: Turn) -> HttpRequest:
        """The request for a turn. Raises `ApiError` for a turn that the dialect cannot express."""

    def encode_again(self, turn: Turn, error: ApiError) -> HttpRequest | None:
        """Another request for a turn that was rejected with `error`. None where only the client can correct it."""

    def decoder(self, turn: Turn) -> Decoder:
        """A decoder of the reply to a turn."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes, *, key: KeyOwner) -> ApiError:
        """The error for the client, from an upstream's error reply. `key` is the owner of the key that was sent."""

    def models_request(self) -> HttpRequest:
        """The request for the list of models."""

    def decode_models(self, body: bytes) -> list[Model]:
        """The models in the reply to that request."""

    def decode_context_sizes(self, body: bytes) -> dict[str, int]:
        """The sizes of the models' contexts in tokens, as far as a list of models contains them."""

    def count(self, turn: Turn) -> Exchange[int] | None:
        """The requests that count a turn's input tokens. None where there are none. Raises `ApiError` as `encode`."""


class Deltas(Protocol):
    """The deltas of one turn, in batches. Each batch has the deltas of one read, and may be empty."""

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        """The batches. A cancelled `__anext__` loses nothing and may be called again. Raises `ApiError`."""

    async def aclose(self) -> None:
        """End the turn at once."""


class Upstream(Protocol):
    """A server with models."""

    async def open(self, turn: Turn) -> Deltas:
        """Begin a turn. It returns when the upstream has accepted it. Raises `ApiError`."""

    async def models(self, bearer: Secret | None) -> list[Model]:
        """The models that it serves. `bearer` is the client's key, where that is passed on. Raises `ApiError`."""

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """The upstream's reply to a request that is passed on, errors included. Raises `ApiError`."""

    async def count_tokens(self, turn: Turn) -> int | None:
        """The tokens of a turn's input. None where the upstream does not count them. Raises `ApiError`."""

    async def context_tokens(self, model: str, bearer: Secret | None) -> int | None:
        """A model's context size in tokens. `model` is the upstream's name. None if unknown. Raises `ApiError`."""

    async def aclose(self) -> None:
        """Close all connections."""
