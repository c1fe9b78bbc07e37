"""A small model of the protocol by which replicas share a background response: leases, cancellation, ending.

It knows what `penstock.engine.background.runner` asks of a store, step by step, and what the store promises of each
step (`penstock.ports.store`). Two replicas, a third one at which the client cancels, crashes at any moment and leases
that run out at any moment, also those of replicas that are only slow. Every state that they can reach is few enough to
look at. Cancelling takes the lease by force, so that no event comes between reading the log and ending the response.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

Phase = Literal["idle", "claimed", "told", "begun", "dead"]
Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]

ENDED = frozenset({"completed", "failed", "cancelled"})
REPLICAS = (0, 1)
CANCELLER = 2
FENCES_MAX = 4
"""How often the lease may be claimed in the model; what more claims would show, fewer do."""


class Replica(NamedTuple):
    """One process: how far it is with the response, and the fence of its claim."""

    phase: Phase = "idle"
    fence: int = 0


class State(NamedTuple):
    """The row, its log and its lease, and both replicas."""

    status: Status = "queued"
    logged: bool = False
    fence: int = 0
    in_force: bool = False
    replicas: tuple[Replica, Replica, Replica] = (Replica(), Replica(), Replica())
    """The two that may work on it, and the one that may cancel it."""
    endings: tuple[Status, ...] = ()
    """Every status by which the response was ended, in order: the promise is that there is at most one."""
    runs: int = 0
    """How often a run has written its first events: more than once would repeat events to a follower."""


class Step(NamedTuple):
    """One thing that happens: who does it, what, whether the store accepts it, and the state afterwards."""

    who: int | None
    what: str
    granted: bool
    after: State


def steps(state: State) -> Iterator[Step]:
    """Everything that may happen next."""
    yield from _steps_of_canceller(state)
    if state.in_force:
        yield Step(None, "lease runs out", True, state._replace(in_force=False))
    for who in REPLICAS:
        yield from _steps_of(state, who)


def _steps_of(state: State, who: int) -> Iterator[Step]:
    replica = state.replicas[who]
    match replica.phase:
        case "dead":
            yield Step(who, "starts", True, _with(state, who, Replica()))
            return
        case "idle":
            if state.fence < FENCES_MAX:
                yield _claim(state, who)
        case "claimed" if state.logged:  # events were written before: it cannot start again
            yield _end(state, who, "failed")
        case "claimed":
            yield _report(state, who)
        case "told":
            yield _begin(state, who)
        case "begun":
            yield _end(state, who, "completed")
            yield _end(state, who, "failed")
    yield Step(who, "dies", True, _with(state, who, Replica("dead")))


def _steps_of_canceller(state: State) -> Iterator[Step]:
    if state.replicas[CANCELLER].phase == "claimed":
        yield _end(state, CANCELLER, "cancelled")
        yield Step(CANCELLER, "dies", True, _with(state, CANCELLER, Replica()))
    elif state.fence < FENCES_MAX:
        yield _claim(state, CANCELLER, by_force=True)


def _claim(state: State, who: int, *, by_force: bool = False) -> Step:
    what = "claim by force" if by_force else "claim"
    if state.status in ENDED or (state.in_force and not by_force):
        return Step(who, what, False, state)
    fence = state.fence + 1
    return Step(who, what, True, _with(state._replace(fence=fence, in_force=True), who, Replica("claimed", fence)))


def _report(state: State, who: int) -> Step:
    """Append the first events."""
    if not _holds(state, who):
        return Step(who, "tell", False, _with(state, who, Replica()))
    result = state._replace(logged=True, runs=state.runs + 1)
    return Step(who, "tell", True, _with(result, who, state.replicas[who]._replace(phase="told")))


def _begin(state: State, who: int) -> Step:
    """Settle the row as in progress."""
    if not _holds(state, who):
        return Step(who, "begin", False, _with(state, who, Replica()))
    return Step(
        who,
        "begin",
        True,
        _with(state._replace(status="in_progress"), who, state.replicas[who]._replace(phase="begun")),
    )


def _end(state: State, who: int, status: Status) -> Step:
    """Settle the row for good."""
    if not _holds(state, who):
        return Step(who, status, False, _with(state, who, Replica()))
    return Step(who, status, True, _with(_ended(state, status), who, Replica()))


def _holds(state: State, who: int) -> bool:
    """Whether the store still accepts this replica's writes: none has claimed since, and the response has not ended.

    A lease that has run out still holds while no other replica has claimed it: the fence decides, not the time.
    """
    return state.status not in ENDED and state.replicas[who].fence == state.fence


def _ended(state: State, status: Status) -> State:
    return state._replace(status=status, in_force=False, endings=(*state.endings, status))


def _with(state: State, who: int, replica: Replica) -> State:
    replicas = [*state.replicas]
    replicas[who] = replica
    return state._replace(replicas=(replicas[0], replicas[1], replicas[2]))


def reachable() -> dict[State, list[Step]]:
    """Every state that can come to be, and what may happen in it."""
    known: dict[State, list[Step]] = {}
    unseen = [State()]
    while unseen:
        state = unseen.pop()
        if state in known:
            continue
        known[state] = list(steps(state))
        unseen += [step.after for step in known[state]]
    return known
