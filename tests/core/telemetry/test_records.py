"""Records: facts of one request, read once, whatever its readers do."""

from __future__ import annotations

import asyncio

import pytest

from penstock.errors import ApiError, invalid, upstream_failed
from penstock.telemetry import AccessRecord, Recorder, current, enter, leave


def test_a_record_is_read_once() -> None:
    read: list[AccessRecord] = []
    recorder = Recorder(read.append)
    record = recorder.begin("GET", "/models", "req_1")
    recorder.end(record, 200)
    recorder.end(record, 500)
    assert read == [record]
    assert record.status == 200


def test_a_client_that_left_has_a_status_of_its_own() -> None:
    recorder = Recorder()
    record = recorder.begin("GET", "/models", "req_1")
    record.is_cut = True
    recorder.end(record, 200)
    assert record.status == 499


@pytest.mark.parametrize(("noted", "ended"), [("", "cancelled"), ("in_progress", "cancelled"), ("failed", "failed")])
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_response_whose_client_left_is_cancelled(noted: str, ended: str, is_cut: bool) -> None:
    """Also before its reply has begun, when there is nothing to cut."""
    recorder = Recorder()
    record = recorder.begin("POST", "/chat/completions", "req_1")
    record.runs()
    record.response_status, record.is_cut = noted, is_cut
    recorder.end(record, 200 if is_cut else 499)
    assert (record.status, record.response_status) == (499, ended)


def test_a_request_without_a_response_is_not_cancelled() -> None:
    recorder = Recorder()
    record = recorder.begin("POST", "/embeddings", "req_1")
    recorder.end(record, 499)
    assert record.response_status == ""


def test_a_reader_that_fails_hurts_no_one(caplog: pytest.LogCaptureFixture) -> None:
    def fail(record: AccessRecord) -> None:
        raise ZeroDivisionError

    read: list[AccessRecord] = []
    recorder = Recorder(fail, read.append)
    recorder.end(recorder.begin("GET", "/models", "req_1"), 200)
    assert len(read) == 1
    assert "a sink of access records failed" in caplog.text


def test_each_task_has_its_own() -> None:
    async def one(name: str) -> str:
        Recorder().begin("GET", "/", name)
        await asyncio.sleep(0)
        return current().request_id

    async def main() -> list[str]:
        return await asyncio.gather(one("a"), one("b"))

    assert asyncio.run(main()) == ["a", "b"]


def test_a_task_can_enter_the_record_of_another() -> None:
    record = Recorder().begin("GET", "/", "first")
    Recorder().begin("GET", "/", "second")
    enter(record)
    assert current() is record


def test_a_task_that_outlives_a_request_can_leave_it() -> None:
    async def lasting() -> str:
        leave()
        return current().request_id

    async def main() -> tuple[str, str]:
        Recorder().begin("GET", "/", "first")
        return await asyncio.create_task(lasting()), current().request_id

    assert asyncio.run(main()) == ("", "first")


@pytest.mark.parametrize(
    ("error", "by_upstream", "message"),
    [
        (invalid("The client's words."), False, ""),
        (invalid("The upstream's words."), True, "The upstream's words."),
        (upstream_failed("It is down."), False, "It is down."),
    ],
)
def test_what_a_client_wrote_is_not_noted(error: ApiError, by_upstream: bool, message: str) -> None:
    record = Recorder().begin("POST", "/responses", "req_1")
    record.failed(error, by_upstream=by_upstream)
    record.failed(upstream_failed("Later."))
    assert record.failure is not None
    assert record.failure.message == message
