"""The queue of background responses: in order, and with room for every owner."""

from __future__ import annotations

import pytest

from penstock.engine.background.queue import Queue, Waiting
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Claim, StoredResponse
from requirements import shows

LIMITS = Limits(
    background_runs_max=4, background_runs_per_key_max=2, background_queue_max=5, background_queue_per_key_max=3
)


def waiting(number: int, owner: str) -> Waiting:
    row = StoredResponse(id=f"resp_{number}", owner=owner, status="queued", created_at=number, body=b"{}")
    return Waiting(row, Claim(row.id, 1), None)


def filled(*owners: str) -> Queue:
    queue = Queue(LIMITS)
    for number, owner in enumerate(owners):
        queue.add(waiting(number, owner))
    return queue


def started(queue: Queue) -> list[str]:
    """The ids of all that may run now."""
    return [one.row.id for one in iter(queue.next, None)]


@shows("fair-background")
def test_the_responses_of_one_owner_leave_runs_for_others() -> None:
    queue = filled("greedy", "greedy", "greedy", "other")
    assert started(queue) == ["resp_0", "resp_1", "resp_3"]
    queue.ended("other")
    assert started(queue) == []
    queue.ended("greedy")
    assert started(queue) == ["resp_2"]
    assert len(queue) == 0


def test_no_more_run_than_the_process_allows() -> None:
    assert len(started(filled("a", "b", "c", "d", "e"))) == 4


@shows("fair-background")
def test_the_responses_of_one_owner_leave_room_for_others() -> None:
    queue = filled("greedy", "greedy", "greedy")
    with pytest.raises(ApiError) as caught:
        queue.check_room("greedy")
    assert (caught.value.status, caught.value.retry_after_s) == (429, 5.0)
    queue.check_room("other")
    queue.add(waiting(3, "other"))
    queue.add(waiting(4, "third"))
    with pytest.raises(ApiError):
        queue.check_room("other")


def test_a_response_that_is_removed_makes_room() -> None:
    queue = filled("a", "a", "a")
    removed = queue.remove("resp_1")
    assert (removed and removed.row.id, queue.remove("resp_1")) == ("resp_1", None)
    queue.check_room("a")
    assert [one.row.id for one in queue] == ["resp_0", "resp_2"]


def test_an_owner_without_responses_is_forgotten() -> None:
    queue = filled("a", "b", "c")
    queue.remove("resp_2")
    for owner in ("a", "b"):
        assert queue.next() is not None
        queue.ended(owner)
    assert not queue._waiting_of
    assert not queue._running_of
