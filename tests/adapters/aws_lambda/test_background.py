"""Background responses in a function: stored in DynamoDB, sent to Lambda or SQS by id, run by an event of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from adapters.aws_lambda.test_function import Context, MakeFunction, function, unlogged
from conformance.engines import ENVIRONMENT, Moto
from conformance.servers import adapter
from penstock.settings import SettingsError
from penstock_adapters.aws_lambda.background import NotDone
from penstock_adapters.aws_lambda.events import EventError
from penstock_adapters.aws_lambda.function import Function
from requirements import shows
from support import oracle, sse
from support.lambda_events import responses, v2
from support.missing import skipped_if_missing

__all__ = ["function", "unlogged"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    engine = Moto()
    with skipped_if_missing():
        engine.start()
    yield engine
    engine.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


class Lambda:
    """Lambda's own API: it notes what is invoked."""

    def __init__(self, status: int = 202) -> None:
        self.invoked: list[tuple[str, dict[str, str], bytes]] = []
        invoked = self.invoked

        class Api(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                invoked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def lambda_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lambda]:
    api = Lambda()
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", api.url)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "penstock")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    yield api
    api.close()


@pytest.fixture
def queue(moto: Moto) -> Iterator[Any]:
    session: Any = adapter("botocore.session", "get_session")
    client = session().create_client(
        "sqs",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{moto.port}",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
    )

    class Queue:
        url = ""

        def make(self, name: str) -> str:
            attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
            self.url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
            return self.url

        def messages(self) -> list[dict[str, Any]]:
            got = client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            return [
                {"messageId": each["MessageId"], "body": each["Body"], "eventSource": "aws:sqs"}
                for each in got.get("Messages", [])
            ]

    yield Queue()
    client.close()


def got(made: Function, response_id: str, query: str = "") -> Any:
    answer = made.answer(v2("GET", f"/v1/responses/{response_id}", query), Context())
    assert answer is not None
    assert answer["statusCode"] == 200
    return answer["body"]


def queued(made: Function, **fields: Any) -> Any:
    answer = made.answer(responses(background=True, **fields), Context())
    assert answer is not None
    assert answer["statusCode"] == 200, answer
    return json.loads(answer["body"])


@shows("asked-again")
def test_a_function_invokes_itself_by_id(moto: Moto, lambda_api: Lambda, function: MakeFunction) -> None:
    made, other = [
        function(PENSTOCK_STORE=location, PENSTOCK_BACKGROUND_RUNNER="lambda://")
        for location in [moto.location()]
        for _ in "12"
    ]
    response = queued(made, input="A secret input")
    assert response["status"] == "queued"
    [(path, headers, body)] = lambda_api.invoked
    assert path == "/2015-03-31/functions/penstock/invocations?Qualifier=%24LATEST"
    assert headers["x-amz-invocation-type"] == "Event"
    assert "/eu-west-1/lambda/aws4_request" in headers["authorization"]
    event = json.loads(body)
    assert event["penstock_background"] == response["id"]
    assert set(event) == {"penstock_background", "owner"}
    assert other.answer(event, Context()) is None
    done = json.loads(got(made, response["id"]))
    assert oracle.check_response(done)["status"] == "completed"
    assert other.answer(event, Context()) is None  # Lambda may deliver it twice
    assert json.loads(got(made, response["id"])) == done
    events = sse.events(got(made, response["id"], "stream=true").encode())
    assert oracle.check_stream(events)["id"] == response["id"]


@shows("asked-again")
@pytest.mark.parametrize("name", ["penstock", "penstock.fifo"])
def test_a_queue_delivers_ids(name: str, moto: Moto, queue: Any, function: MakeFunction) -> None:
    made = function(PENSTOCK_STORE=moto.location(), PENSTOCK_BACKGROUND_RUNNER=queue.make(name))
    ids = [queued(made)["id"] for _ in range(2)]
    records: list[dict[str, Any]] = []
    while len(records) < 2:
        records += queue.messages()
    assert {json.loads(record["body"])["penstock_background"] for record in records} == set(ids)
    broken = {"messageId": "broken", "body": "no JSON", "eventSource": "aws:sqs"}
    done = made.answer({"Records": [records[0], broken, records[1]]}, Context())
    assert done == {"batchItemFailures": [{"itemIdentifier": "broken"}]}
    assert [json.loads(got(made, each))["status"] for each in ids] == ["completed"] * 2


@shows("asked-again")
def test_what_another_instance_has_comes_again(moto: Moto, lambda_api: Lambda, function: MakeFunction) -> None:
    import asyncio
    import time

    from penstock_adapters.drivers import aws_transport
    from penstock_adapters.dynamodb import DynamoStore

    location = moto.location()
    made = function(PENSTOCK_STORE=location, PENSTOCK_BACKGROUND_RUNNER="lambda://")
    response = queued(made)
    event = json.loads(lambda_api.invoked[0][2])

    async def claim() -> None:
        store = DynamoStore(location, aws_transport, ENVIRONMENT)
        assert await store.claim(response["id"], now=time.time(), until=time.time() + 60)
        await store.aclose()

    asyncio.run(claim())
    with pytest.raises(NotDone, match=response["id"]):
        made.answer(event, Context())
    record = {"messageId": "m1", "body": json.dumps(event), "eventSource": "aws:sqs"}
    assert made.answer({"Records": [record]}, Context()) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_the_end_of_its_time_ends_a_response(moto: Moto, lambda_api: Lambda, function: MakeFunction) -> None:
    made = function(PENSTOCK_STORE=moto.location(), PENSTOCK_BACKGROUND_RUNNER="lambda://")
    response = queued(made, model="synthetic?tokens=5000&itl_ms=20")
    assert made.answer(json.loads(lambda_api.invoked[0][2]), Context(3_000)) is None
    assert json.loads(got(made, response["id"]))["status"] == "incomplete"


def test_a_response_that_cannot_be_started_is_a_503(moto: Moto, function: MakeFunction, monkeypatch: Any) -> None:
    api = Lambda(403)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", api.url)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "penstock")
    made = function(PENSTOCK_STORE=moto.location(), PENSTOCK_BACKGROUND_RUNNER="lambda://")
    answer = made.answer(responses(background=True), Context())
    assert answer is not None
    assert (answer["statusCode"], "started in the background" in answer["body"]) == (503, True)
    assert len(api.invoked) == 1
    api.close()


@pytest.mark.parametrize(
    ("runner", "store", "problem"),
    [
        ("lambda://", "memory://", "cannot share memory://"),
        ("lambda://", "sqlite:////tmp/x.db", "cannot share sqlite://"),
        ("lambda://", "", "cannot share"),
        ("lambda://", "dynamodb://table", "AWS_LAMBDA_FUNCTION_NAME is not set"),
        ("https://sqs.eu-west-1.amazonaws.com/", "dynamodb://table", "not the URL of a queue"),
        ("kafka://x", "dynamodb://table", "lambda://, or the URL of a queue"),
    ],
)
def test_a_runner_that_cannot_be_used_is_a_wrong_setting(
    runner: str, store: str, problem: str, function: MakeFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    with pytest.raises(SettingsError, match=problem):
        function(PENSTOCK_BACKGROUND_RUNNER=runner, **({"PENSTOCK_STORE": store} if store else {}))


def test_records_of_other_services_are_an_error(moto: Moto, lambda_api: Lambda, function: MakeFunction) -> None:
    made = function(PENSTOCK_STORE=moto.location(), PENSTOCK_BACKGROUND_RUNNER="lambda://")
    with pytest.raises(EventError, match="records of aws:kinesis"):
        made.answer({"Records": [{"messageId": "1", "body": "x", "eventSource": "aws:kinesis"}]}, Context())


def test_a_function_without_a_runner_names_it(function: Callable[..., Function]) -> None:
    with pytest.raises(RuntimeError, match="background_runner"):
        function().answer({"penstock_background": "resp_1"}, Context())
