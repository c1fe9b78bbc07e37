"""The ports to upstreams: a dialect speaks, a transport moves bytes, and an upstream is both.

It knows shapes only: the structs that pass through, and the protocols of who gives and takes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from penstock.errors import ApiError
from penstock.secrets import Secret
from penstock.tool_calls import FunctionDefinition
from penstock.transcript.deltas import Delta
from penstock.upstream_replies import KeyOwner
from penstock.wire import CreateResponse, InputItem, Model

T = TypeVar("T")

Headers: TypeAlias = list[tuple[str, str]]
"""Header fields in order; names in lower case."""


FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})
"""Fields that say where a message ends, or what its connection is for: a transport alone sends them."""


class Choice(msgspec.Struct, frozen=True):
    """Whether the model may, must or must not call, and which function it must."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


class EncodedText(NamedTuple):
    """A text and its JSON, which was encoded before."""

    text: str
    json: msgspec.Raw


class CachedOffers(list[FunctionDefinition]):
    """Functions that are offered in many turns. A dialect encodes them once, and stores the JSON here."""

    json: msgspec.Raw | None = None
    """The functions as the `tools` of Chat Completions."""


class Turn(msgspec.Struct, kw_only=True):
    """One call of a model: everything that a dialect needs to put it into its own words."""

    model: str
    """The name by which the upstream knows the model."""
    request: CreateResponse
    """What the client asked for: sampling, format, reasoning."""
    items: Sequence[InputItem]
    """The whole context, oldest first; `instructions` are apart."""
    size: int = 0
    """About how many bytes of JSON the context is."""
    instructions: EncodedText | None = None
    """The instructions of the request, where they were encoded before."""
    offers: Sequence[FunctionDefinition] = ()
    choice: Choice = Choice()
    relays: bool = False
    """Whether the upstream speaks Responses, and gets tools and items as they are."""
    stream: bool = True
    bearer: Secret | None = None
    """The client's own key, where the upstream has none configured and it is to be passed on."""
    extras: dict[str, msgspec.Raw] = {}
    """Parameters that nobody here knows, to be forwarded as they are."""
    head_s: float | None = None
    """How long the head of the reply may take, where another upstream could be asked instead."""
    client: str = ""
    """Whose turn it is. No upstream gets it."""


class PassthroughRequest(msgspec.Struct, kw_only=True):
    """A request that is passed on as it is, by the name of its model alone."""

    method: Literal["GET", "POST", "DELETE"] = "POST"
    path: str
    """With its query, if it has one."""
    body: bytes = b""
    model: str
    """The name by which the upstream knows the model; it is put in the place of the client's."""
    named: str | None
    """The model that the body names."""
    stream: bool
    accept: str = "*/*"
    bearer: Secret | None = None
    """As in a turn."""
    head_s: float | None = None
    """As in a turn."""
    client: str = ""
    """As in a turn."""


class HttpRequest(msgspec.Struct, kw_only=True):
    """A request to an upstream. `path` is relative to the upstream's base URL and begins with a slash."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    beside_v1: bool = False
    """Whether the path stands beside the base URL's `/v1`, where servers have routes that are not OpenAI's."""
    headers: Headers
    body: bytes = b""
    head_s: float | None = None
    """How long the head of the reply may take at most."""


class HttpReply(Protocol):
    """An upstream's reply, its head read and its body not yet."""

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives. A cancelled `__anext__` loses nothing and may be called again."""

    async def aclose(self) -> None:
        """Give the connection back, or cut it where the body has not ended."""


class TransportError(Exception):
    """The bytes could not be had: no connection, a broken one, or none within the time allowed.

    The message is for clients: plain words without an address. `cause` is for the log.
    """

    def __init__(self, message: str, *, timed_out: bool = False, was_connected: bool = False, cause: str = "") -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.was_connected = was_connected
        """Whether there was a connection, so that the request may be what has ended it."""
        self.cause = cause


class NoFreeConnection(TransportError):
    """All connections to the upstream were in use for as long as a request may wait. Nothing was sent."""


Health: TypeAlias = Literal["well", "sick", "unknown"]
"""What a failure tells of the upstream's state, apart from the one request."""


class RequestRejected(ApiError):
    """An upstream refused a request for the request's own sake, so that no other attempt would do better."""

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
        """The status with which the upstream answered, if it did."""
        self.provoked_by: int | None = None
        """What tells the request from others, where it may be what makes the upstream fail."""


class AttemptFailed(RequestRejected):
    """An upstream did not take a request, and no byte of an answer was told: another attempt may do better.

    The same upstream may be asked once more where `again` says so, any other in any case.
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
        """What the upstream answered, for those who pass that on."""


class Tls(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How an upstream's certificate is checked, and which one it is shown. Files are PEM."""

    ca_file: str | None = None
    """The authorities that are trusted, instead of the system's."""
    cert_file: str | None = None
    """The certificate that is shown to the upstream, with the key in it or in `key_file`."""
    key_file: str | None = None
    """The key of that certificate."""
    insecure: bool = False
    """Whether any certificate will do; whoever is between can then read and change everything."""


class Destination(msgspec.Struct, kw_only=True, frozen=True):
    """Where an upstream is, and how it is reached."""

    name: str
    url: str
    tls: Tls = Tls()
    proxy: Secret | None = None
    """The URL of an HTTP proxy, which may have a password in it."""


class Transport(Protocol):
    """Moves bytes to and from one upstream. Raises `TransportError`."""

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and wait for the reply's head."""

    async def aclose(self) -> None:
        """Close every connection."""


Exchange: TypeAlias = Generator[HttpRequest, bytes, T]
"""Requests that follow from each other: each is answered with its reply's body, and the last answer gives a `T`.

It raises `ApiError` for a body that it cannot read.
"""


class Decoder(Protocol):
    """Turns one reply's bytes into deltas, however they are split. Raises `ApiError` where they are an error."""

    is_done: bool
    """Whether the upstream has said that it is done, so that nothing more need be read."""

    @property
    def has_finished(self) -> bool:
        """Whether the answer is whole, so that a cut from now on loses nothing of it."""

    def feed(self, chunk: bytes) -> list[Delta]:
        """The deltas that this chunk completes."""

    def close(self) -> list[Delta]:
        """The deltas that were waiting for the end."""


class Dialect(Protocol):
    """An upstream's language. Pure: it never moves a byte."""

    def encode(self, turn: Turn) -> HttpRequest:
        """The turn as this upstream wants it. Raises `ApiError` for what it cannot say."""

    def encode_again(self, turn: Turn, error: ApiError) -> HttpRequest | None:
        """Another request for a turn that was refused with `error`; None where the client alone could mend that."""

    def decoder(self, turn: Turn) -> Decoder:
        """A decoder for the reply to this turn."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes, *, key: KeyOwner) -> ApiError:
        """What an upstream's error reply means to the client, by the key that it was shown."""

    def models_request(self) -> HttpRequest:
        """How to ask for the list of models."""

    def decode_models(self, body: bytes) -> list[Model]:
        """The list of models in a reply."""

    def decode_context_sizes(self, body: bytes) -> dict[str, int]:
        """The tokens of the models' contexts, as far as a list of models tells them."""

    def count(self, turn: Turn) -> Exchange[int] | None:
        """How to ask for the tokens of a turn's input; None where there is no way. Raises `ApiError` as `encode`."""


class Deltas(Protocol):
    """One turn as it is spoken: batches of deltas, each what one read brought; a batch may be empty."""

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        """The batches. A cancelled `__anext__` loses nothing and may be called again. Raises `ApiError`."""

    async def aclose(self) -> None:
        """End the call, at once: nobody listens any more."""


class Upstream(Protocol):
    """A place where models are."""

    async def open(self, turn: Turn) -> Deltas:
        """Begin a turn; returns when the upstream has accepted it. Raises `ApiError`."""

    async def models(self, bearer: Secret | None) -> list[Model]:
        """What it serves; `bearer` is the client's own key, where that is passed on. Raises `ApiError`."""

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """The upstream's reply to a request that is passed on, whatever it says. Raises `ApiError`."""

    async def count_tokens(self, turn: Turn) -> int | None:
        """The tokens of a turn's input; None where the upstream does not count. Raises `ApiError`."""

    async def context_tokens(self, model: str, bearer: Secret | None) -> int | None:
        """The size of a model's context, by the upstream's name of it; None where unknown. Raises `ApiError`."""

    async def aclose(self) -> None:
        """Release what is held."""
