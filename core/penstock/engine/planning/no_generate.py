"""Requests with `generate: false`: a response without output, to which a later request can refer.

A client sends its instructions, tools or input in advance. The request is decoded, resolved, planned and stored like
any other; only the model is not called.
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
    """The plan with an upstream that generates nothing."""
    return replace(plan, route=replace(plan.route, upstream=_NO_MODEL), compacting=None)


def _no_output(turn: Turn) -> Iterator[list[Delta]]:
    yield [UsageDelta(Usage(input_tokens=0, output_tokens=0, total_tokens=0)), Finish()]


_NO_MODEL = LocalUpstream(_no_output, models=())
