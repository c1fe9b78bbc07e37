"""Warming up: a response that says nothing, for a later one to stand on.

A client sends what it knows already with `generate: false`. The request is decoded, resolved, planned and kept like
any other; only the model is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from penstock.engine.upstreams.local import LocalUpstream
from penstock.ports import Turn
from penstock.transcript.deltas import Delta, Finish, UsageDelta
from penstock.wire import Usage

from .plan import Plan


def without_generation(plan: Plan) -> Plan:
    """The plan, without asking the model."""
    return replace(plan, route=replace(plan.route, upstream=_SILENCE), compacting=None)


def _say_nothing(turn: Turn) -> Iterator[list[Delta]]:
    yield [UsageDelta(Usage(input_tokens=0, output_tokens=0, total_tokens=0)), Finish()]


_SILENCE = LocalUpstream(_say_nothing, models=())
