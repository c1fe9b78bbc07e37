"""Faults of the service: what is repeated, what is refused, and what the client gets."""

from __future__ import annotations

import asyncio
import json

import pytest

from conformance.engines import ENVIRONMENT
from conformance.kit import ME
from conformance.servers import free_port
from penstock.errors import ApiError
from penstock_adapters.aws import api as aws_api
from penstock_adapters.drivers import aws_transport
from penstock_adapters.dynamodb import DynamoStore
from penstock_adapters.dynamodb.table import Key


class Service:
    """A service that answers each call with the next of its answers, and notes the calls."""

    def __init__(self, *answers: tuple[int, str, dict[str, str]]) -> None:
        self.answers = [*answers]
        self.calls: list[tuple[dict[str, str], bytes]] = []

    async def __aenter__(self) -> str:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *error: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                self.calls.append((headers, await reader.readexactly(int(headers["content-length"]))))
                status, body, more = self.answers.pop(0) if self.answers else (200, "{}", {})
                lines = [
                    f"HTTP/1.1 {status} X",
                    f"content-length: {len(body)}",
                    *(f"{k}: {v}" for k, v in more.items()),
                ]
                writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        except (EOFError, OSError):
            pass
        finally:
            writer.close()


def refusal(kind: str, status: int = 400) -> tuple[int, str, dict[str, str]]:
    return status, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "no"}), {}


def store_at(endpoint: str) -> DynamoStore:
    return DynamoStore(f"dynamodb://table?region=eu-west-1&endpoint={endpoint}", aws_transport, ENVIRONMENT)


@pytest.mark.parametrize(
    "busy",
    [
        refusal("ProvisionedThroughputExceededException"),
        refusal("ThrottlingException"),
        refusal("InternalServerError", 500),
        (503, "<html>", {}),
        (200, "", {"connection": "close", "content-length": "999"}),
    ],
)
async def test_a_call_is_repeated_while_the_service_is_busy(
    busy: tuple[int, str, dict[str, str]], runner: asyncio.Runner
) -> None:
    async with Service(busy, busy, (200, '{"Item": {"pk": {"S": "schema"}, "schema": {"N": "1"}}}', {})) as endpoint:
        store = store_at(endpoint)
        await store.migrate()
        await store.aclose()


async def test_a_refused_call_is_not_repeated_and_the_log_has_the_reason(
    caplog: pytest.LogCaptureFixture, runner: asyncio.Runner
) -> None:
    service = Service(refusal("AccessDeniedException"))
    async with service as endpoint:
        store = store_at(endpoint)
        with pytest.raises(ApiError) as error:
            await store.response(ME, "resp_1")
        assert (error.value.status, len(service.calls)) == (503, 1)
        assert "AccessDeniedException: no" in caplog.text
        await store.aclose()


async def test_a_clock_that_differs_is_corrected_once(runner: asyncio.Runner) -> None:
    date = "Tue, 01 Dec 2026 12:00:00 GMT"
    status, body, _ = refusal("InvalidSignatureException")
    service = Service((status, body, {"date": date}), (200, "{}", {"date": date}))
    async with service as endpoint:
        store = store_at(endpoint)
        assert await store.response(ME, "resp_1") is None
        stamps = [headers["x-amz-date"] for headers, _ in service.calls]
        assert stamps[1].startswith("20261201t12000")
        await store.aclose()


async def test_a_wrong_key_is_no_wrong_clock(runner: asyncio.Runner) -> None:
    service = Service(*[refusal("InvalidSignatureException")] * 2)
    async with service as endpoint:
        store = store_at(endpoint)
        with pytest.raises(ApiError):
            await store.response(ME, "resp_1")
        assert len(service.calls) == 1
        await store.aclose()


async def test_a_service_that_is_away_is_a_503(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, runner: asyncio.Runner
) -> None:
    monkeypatch.setattr(aws_api, "CALL_S", 0.3)
    store = store_at(f"http://127.0.0.1:{free_port()}")
    for _ in range(2):
        with pytest.raises(ApiError) as error:
            await store.response(ME, "resp_1")
        assert (error.value.status, error.value.retry_after_s) == (503, 1.0)
    assert len(caplog.records) == 1
    await store.aclose()


async def test_no_credentials_are_a_503_and_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture, runner: asyncio.Runner
) -> None:
    address = f"dynamodb://table?region=eu-west-1&endpoint=http://127.0.0.1:{free_port()}"
    store = DynamoStore(address, aws_transport, {"AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.raises(ApiError) as error:
        await store.response(ME, "resp_1")
    assert error.value.status == 503
    assert "AWS_ACCESS_KEY_ID" in caplog.text
    await store.aclose()


async def test_what_a_busy_table_leaves_over_is_sent_again(runner: asyncio.Runner) -> None:
    left = {"UnprocessedItems": {"table": [{"DeleteRequest": {"Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}}}]}}
    service = Service((200, json.dumps(left), {}), (200, "{}", {}))
    async with service as endpoint:
        store = store_at(endpoint)
        await store._table.write(gone=[Key("a", "b"), Key("c", "d")])
        assert json.loads(service.calls[1][1]) == {"RequestItems": left["UnprocessedItems"]}
        await store.aclose()


async def test_a_newer_schema_is_refused(store: DynamoStore, location: str, runner: asyncio.Runner) -> None:
    await store._table.write([{"pk": "schema", "sk": "head", "schema": 2}])
    newer = DynamoStore(location, aws_transport, ENVIRONMENT)
    with pytest.raises(RuntimeError, match="schema 2, a newer Penstock's"):
        await newer.migrate()
    await newer.aclose()
