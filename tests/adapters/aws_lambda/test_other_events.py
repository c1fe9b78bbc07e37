"""Events of other senders, as AWS' documentation shows them: each error names its sender, and what a function takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock_adapters.aws_lambda.events import EventError, decode_event, read_event
from penstock_adapters.aws_lambda.other_events import NAMED_CHARS_MAX, NAMED_MAX
from requirements import shows
from support.lambda_events import v1, v2

AUTHORIZED = "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/POST/v1/responses"
PING: dict[str, Any] = {"source": "serverless-plugin-warmup"}
SENDERS: dict[str, tuple[dict[str, Any], str]] = {
    "S3": (
        {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]},
        "records of aws:s3",
    ),
    "S3's test": ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, "Amazon S3"),
    "SNS": ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{}"}}]}, "records of aws:sns"),
    "a DynamoDB stream": (
        {"Records": [{"eventID": "1", "eventSource": "aws:dynamodb", "dynamodb": {"Keys": {}}}]},
        "records of aws:dynamodb",
    ),
    "Kinesis": (
        {"Records": [{"kinesis": {"data": "SGk="}, "eventSource": "aws:kinesis"}]},
        "records of aws:kinesis",
    ),
    "CloudFront": ({"Records": [{"cf": {"request": {"method": "GET", "uri": "/"}}}]}, "records of cf"),
    "no list of records": ({"Records": {"eventSource": "aws:sqs"}}, "Records"),
    "records that are numbers": ({"Records": [1]}, "records of an unknown sender"),
    "Kafka": ({"eventSource": "aws:kafka", "records": {"topic-0": [{"value": "SGk="}]}}, "aws:kafka"),
    "MQ": ({"eventSource": "aws:mq", "messages": []}, "aws:mq"),
    "Firehose": ({"invocationId": "1", "deliveryStreamArn": "arn:aws:firehose", "records": []}, "Data Firehose"),
    "CloudWatch Logs": ({"awslogs": {"data": "H4sI"}}, "CloudWatch Logs"),
    "a schedule": (
        {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}},
        "EventBridge",
    ),
    "Cognito": ({"version": "1", "triggerSource": "PreSignUp_SignUp", "userPoolId": "p", "request": {}}, "Cognito"),
    "a WebSocket API": (
        {
            "headers": {"Host": "abc.execute-api.us-east-1.amazonaws.com"},
            "multiValueHeaders": {"Host": ["abc.execute-api.us-east-1.amazonaws.com"]},
            "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "L0", "stage": "prod"},
            "isBase64Encoded": False,
        },
        "WebSocket API",
    ),
    "an authorizer of v1": (v1("GET", "/v1/models") | {"type": "REQUEST", "methodArn": AUTHORIZED}, "an authorizer"),
    "an authorizer of v2": (v2("GET", "/v1/models") | {"type": "REQUEST", "routeArn": AUTHORIZED}, "an authorizer"),
    "an authorizer of tokens": (
        {"type": "TOKEN", "authorizationToken": "sk-secret", "methodArn": AUTHORIZED},
        "an authorizer",
    ),
    "VPC Lattice": (
        {"version": "2.0", "method": "GET", "path": "/", "requestContext": {"serviceArn": "arn:aws:vpc-lattice"}},
        "VPC Lattice",
    ),
    "CloudFormation": ({"RequestType": "Create", "ResponseURL": "https://s3", "StackId": "s"}, "CloudFormation"),
    "AppSync": ({"arguments": {}, "info": {"fieldName": "f", "parentTypeName": "Query"}}, "AppSync"),
    "a ping that keeps it warm": (PING, "the fields source"),
    "the console's test": ({"key1": "value1", "key2": "value2", "key3": "value3"}, "the fields key1, key2, key3"),
    "nothing": ({}, "no fields"),
}


def problem(event: Any) -> str:
    """What is wrong with an event, which is the same whether it comes as an object or as JSON."""
    with pytest.raises(EventError) as read:
        read_event(event)
    with pytest.raises(EventError) as decoded:
        decode_event(json.dumps(event).encode())
    assert str(read.value) == str(decoded.value)
    return str(read.value)


@shows("function-events")
@pytest.mark.parametrize(("event", "sender"), SENDERS.values(), ids=SENDERS)
def test_the_sender_and_what_is_taken_are_named(event: dict[str, Any], sender: str) -> None:
    text = problem(event)
    assert sender in text
    assert "takes HTTP requests of an API Gateway, a Function URL or a load balancer" in text
    assert "a queue of SQS" in text
    assert "sk-secret" not in text


@pytest.mark.parametrize("event", [None, [], 5, "ping"], ids=repr)
def test_what_is_no_object_is_named(event: Any) -> None:
    assert "no JSON object" in problem(event)


@pytest.mark.parametrize(
    ("event", "field"),
    [(v1("", "/v1/models"), "httpMethod"), (v2("", "/v1/models"), "requestContext.http.method")],
    ids=["v1", "v2"],
)
def test_an_empty_method_is_named(event: dict[str, Any], field: str) -> None:
    assert f"`{field}` is empty" in problem(event)


def test_few_and_short_fields_are_named() -> None:
    text = problem({f"{number}{'x' * 10_000}": 1 for number in range(1_000)})
    assert len(text) < NAMED_MAX * (NAMED_CHARS_MAX + 2) + 400


def test_a_field_with_a_wrong_type_is_named() -> None:
    assert "`$.headers`" in problem(v2("GET", "/") | {"headers": 5})
