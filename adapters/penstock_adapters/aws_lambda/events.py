"""Events: HTTP requests as JSON, in the forms of API Gateway (v1 and v2), Function URLs and load balancers.

It knows where each form has the path, the query, the headers and the body, and which form its reply must have.
Source: "Using AWS Lambda with Amazon API Gateway", "Invoking Lambda function URLs" and "Lambda functions as targets"
of AWS' documentation.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote, urlencode

import msgspec

from penstock.http import Request

Form: TypeAlias = Literal["rest", "http", "load_balancer", "load_balancer_multi"]
"""The form of an event and of its reply: v1, v2, and that of a load balancer with single or multiple values."""

_FUNCTION_URL = ".lambda-url."
"""A part of the domain of every Function URL."""

_QUEUE = "aws:sqs"
"""The source of a queue's messages."""
_METHOD_FIELDS = {"http": "requestContext.http.method"}
"""Where forms have the method; the others have it in `httpMethod`."""


class EventError(ValueError):
    """An event that is no HTTP request."""


class _NoRequest(Exception):
    """An event without the fields of a request."""


class _Http(msgspec.Struct):
    """The request line of a v2 event."""

    method: str


class _Context(msgspec.Struct, rename="camel"):
    """Where an event comes from."""

    http: _Http | None = None
    elb: dict[str, Any] | None = None
    """It is there in events of a load balancer only."""
    stage: str | None = None
    path: str | None = None
    """The path as clients sent it, in v1 events."""
    domain_name: str | None = None


class Record(msgspec.Struct, rename="camel", frozen=True):
    """A message of a queue."""

    message_id: str = ""
    body: str = ""
    event_source: str = ""
    """Another source, such as `aws:s3`, has other fields."""


class Event(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """An event of any form. Each form has some of the fields; other fields are not read."""

    penstock_background: str | None = msgspec.field(name="penstock_background", default=None)
    """The id of a stored response: the event is no request, but asks for its run."""
    owner: str = ""
    """The owner of that response."""
    records: list[Record] | None = msgspec.field(name="Records", default=None)
    """The messages of a queue, each of which asks for the run of a response."""

    method_arn: Any = None
    """Only events for an authorizer have it. Their other fields are those of a v1 request."""
    route_arn: Any = None
    """Only events for an authorizer have it. Their other fields are those of a v2 request."""

    version: str | None = None
    http_method: str | None = None
    path: str | None = None
    raw_path: str | None = None
    raw_query_string: str | None = None
    headers: dict[str, str | None] | None = None
    multi_value_headers: dict[str, list[str | None] | None] | None = None
    query_string_parameters: dict[str, str | None] | None = None
    multi_value_query_string_parameters: dict[str, list[str | None] | None] | None = None
    cookies: list[str] | None = None
    body: str | None = None
    is_base64_encoded: bool | None = False
    request_context: _Context | None = None

    @property
    def is_work(self) -> bool:
        """Whether it asks for background work."""
        return self.penstock_background is not None or bool(self.records)

    @property
    def context(self) -> _Context:
        """Where it comes from."""
        return self.request_context or _Context()

    @property
    def form(self) -> Form:
        """Its form. Raises `_NoRequest`."""
        if self.method_arn is not None or self.route_arn is not None:
            raise _NoRequest
        if self.context.elb is not None:
            return "load_balancer" if self.multi_value_headers is None else "load_balancer_multi"
        if self.version == "2.0" and self.context.http is not None:
            return "http"
        if self.http_method is not None and self.path is not None:
            return "rest"
        raise _NoRequest

    @property
    def may_stream(self) -> bool:
        """Whether its sender may take a reply in pieces: HTTP APIs and load balancers never do."""
        return self.form == "rest" or _FUNCTION_URL in (self.context.domain_name or "")


_decode = msgspec.json.Decoder(Event).decode


def decode_event(body: bytes) -> Event:
    """The event in JSON. Raises `EventError`."""
    try:
        return _checked(_decode(body))
    except msgspec.ValidationError as error:
        raise _refused(msgspec.json.decode(body), error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventError(f"The event is not JSON: {error}") from None
    except _NoRequest:
        raise _refused(msgspec.json.decode(body)) from None


def read_event(event: Any) -> Event:
    """The event of a managed runtime, which has decoded it. Raises `EventError`."""
    try:
        return _checked(msgspec.convert(event, Event))
    except msgspec.ValidationError as error:
        raise _refused(event, error) from None
    except _NoRequest:
        raise _refused(event) from None


def request_of(event: Event, deadline_s: float | None) -> Request:
    """The HTTP request of an event. `deadline_s` is as in `Request`."""
    root_path, path = _paths(event)
    return Request(
        method=_method(event),
        path=path,
        root_path=root_path,
        query=_query(event),
        headers=_headers(event),
        body=_body(event),
        deadline_s=deadline_s,
    )


def _checked(event: Event) -> Event:
    """The event, if it is a request or asks for work. Raises `EventError`, and `_NoRequest`."""
    if any(record.event_source != _QUEUE for record in event.records or ()):
        raise _NoRequest
    if not event.is_work:
        form, _ = event.form, _body(event)
        if not _method(event):
            raise EventError(
                f"The method of the event is missing: `{_METHOD_FIELDS.get(form, 'httpMethod')}` is empty."
            )
    return event


def _refused(event: Any, error: msgspec.ValidationError | None = None) -> EventError:
    """The error for an event that is no request: what is wrong in it, and who sent it."""
    from .other_events import refusal

    return EventError(f"{refusal(event)} ({error})" if error else refusal(event))


def _method(event: Event) -> str:
    http = event.context.http
    return http.method if event.form == "http" and http else event.http_method or ""


def _paths(event: Event) -> tuple[str, str]:
    """The stage, as a root path, and the decoded path after it. Of the forms, only v1 has it decoded."""
    if event.form == "rest":
        path = event.path or "/"
        sent = event.context.path or path
        return (sent.removesuffix(path) if sent.endswith(path) else ""), path
    path = (event.path if event.raw_path is None else event.raw_path) or "/"
    stage = f"/{event.context.stage}"
    if event.form == "http" and f"{path}/".startswith(f"{stage}/"):  # of `$default` there is nothing in the path
        return stage, unquote(path.removeprefix(stage) or "/")
    return "", unquote(path)


def _query(event: Event) -> str:
    """The query, encoded. A load balancer leaves its values as they were sent; v1 has them decoded."""
    if event.form == "http":
        return event.raw_query_string or ""
    parameters = [*_values(event.multi_value_query_string_parameters, event.query_string_parameters)]
    if event.form == "rest":
        return urlencode(parameters)
    return "&".join([f"{name}={value}" for name, value in parameters])


def _headers(event: Event) -> dict[str, str]:
    """The headers by name in lower case; the values of a repeated header are joined by commas (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for given, value in _values(event.multi_value_headers, event.headers):
        name = given.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if event.cookies:
        headers["cookie"] = "; ".join(event.cookies)
    return headers


def _values(
    multiple: Mapping[str, list[str | None] | None] | None, single: Mapping[str, str | None] | None
) -> Iterable[tuple[str, str]]:
    """Names and values. The multiple ones contain the single ones. A null is an empty value, or none at all."""
    for name, values in (multiple or {}).items():
        for value in values or ():
            yield name, value or ""
    if not multiple:
        yield from [(name, value or "") for name, value in (single or {}).items()]


def _body(event: Event) -> bytes:
    body = event.body or ""
    if not event.is_base64_encoded:
        return body.encode("utf-8", "surrogatepass")
    try:
        return b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise EventError("The body of the event is not valid base64.") from None
