"""Events of other senders: the text of the error that names who sent an event, and what a function takes.

It is imported for the first such event only. It names fields, and never repeats a value but the sender's own name.
Source: "Invoking Lambda with events from other AWS services" of AWS' documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMED_MAX = 5
"""How many fields of an unknown event are named."""
NAMED_CHARS_MAX = 40
"""How much of a name is repeated."""

_TAKEN = (
    "This function takes HTTP requests of an API Gateway, a Function URL or a load balancer, and messages about "
    "background responses of a queue of SQS."
)
_BY_FIELD = {
    "methodArn": "a request to an authorizer of an API Gateway",
    "routeArn": "a request to an authorizer of an API Gateway",
    "detail-type": "an event of EventBridge",
    "awslogs": "an event of CloudWatch Logs",
    "triggerSource": "an event of Cognito",
    "deliveryStreamArn": "an event of Amazon Data Firehose",
    "ResponseURL": "a request of CloudFormation",
    "info": "a request of AppSync",
}
"""Senders by a field of their events that no HTTP request has."""
_BY_CONTEXT = {
    "connectionId": "an event of a WebSocket API, which is not served in a function",
    "serviceArn": "a request of VPC Lattice",
}
"""Senders by a field of the context of their events."""


def refusal(event: Any) -> str:
    """Why an event is not taken."""
    return f"The event is {_sender(event)}. {_TAKEN}"


def _sender(event: Any) -> str:
    if not isinstance(event, Mapping):
        return "no JSON object"
    context = event.get("requestContext")
    context = context if isinstance(context, Mapping) else {}
    known = [text for name, text in _BY_FIELD.items() if name in event]
    known += [text for name, text in _BY_CONTEXT.items() if name in context]
    if known:
        return known[0]
    if "Records" in event:
        return f"a list of records of {_source_of_records(event['Records'])}"
    source = event.get("eventSource") or event.get("Service")
    return f"one of {_short(source)}" if source else f"no HTTP request: it has {_fields(event)}"


def _source_of_records(records: Any) -> str:
    """The sender of records. SNS writes its name with another capital letter, and CloudFront has none."""
    first = records[0] if isinstance(records, list) and records else None
    if not isinstance(first, Mapping):
        return "an unknown sender"
    return _short(first.get("eventSource") or first.get("EventSource") or next(iter(first), "an unknown sender"))


def _fields(event: Mapping[str, Any]) -> str:
    named = [_short(name) for name in event][:NAMED_MAX]
    return f"the fields {', '.join(named)}" + (", …" if len(event) > NAMED_MAX else "") if named else "no fields"


def _short(name: Any) -> str:
    return str(name)[:NAMED_CHARS_MAX]
