"""Fits a plan into its model's context, for requests with `truncation: "auto"` only.

It computes how many tokens are free, and cuts again where an upstream still refuses. Which items are removed,
`truncation` decides.
"""

from __future__ import annotations

import logging

from msgspec.structs import replace

from penstock.engine.planning.plan import Plan
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Deltas

from .compaction import open_compacted
from .error_location import locate
from .estimate import TOKEN_BYTES, item_tokens, overhead_tokens
from .token_count import within
from .truncation import truncate

_log = logging.getLogger("penstock.fitting")

_MARKS_TOKENS = 16
"""An upper bound of the tokens that a chat template adds to an item; they are not counted here."""
_PARAMETER = "truncation"
_ROUNDS_MAX = 3
"""How often an upstream counts or refuses again: a few cuts by the estimate come close enough to its own count."""
_REFUSED_SHARE = 0.75
"""The largest part of a refused turn's estimate that is sent again."""


async def open_fitted(plan: Plan, limits: Limits) -> tuple[Plan, Deltas]:
    """Open the plan's turn. Where an upstream refuses it as too long, the oldest items are removed, if that is allowed.

    Returns the plan that the upstream has accepted. Raises `ApiError`.
    """
    cuts_left = _ROUNDS_MAX
    while True:
        upstream, turn, compacting = plan.route.upstream, plan.turn, plan.compacting
        try:
            if compacting is None:
                return plan, await upstream.open(turn)
            return plan, await open_compacted(upstream, turn, compacting)
        except ApiError as error:
            # spec: learned-contexts
            shorter = await _cut(plan, limits) if cuts_left and _may_cut(plan, error) else None
            if shorter is None:
                locate(error, (turn if compacting is None else compacting.asked).items, turn.request)
                raise
            plan = shorter
            cuts_left -= 1


def _may_cut(plan: Plan, error: ApiError) -> bool:
    is_auto = plan.turn.request.truncation == "auto" and plan.compacting is None
    return is_auto and error.code == "context_length_exceeded"


async def _cut(plan: Plan, limits: Limits) -> Plan | None:
    """Remove items of a refused turn: what exceeds a known context size, or else half of it. None if none may go.

    The turn is too long whatever the estimate is, so at least a quarter is removed.
    """
    turn = plan.turn
    costs, overhead = item_tokens(turn), overhead_tokens(turn)
    estimated = sum(costs) + overhead
    size = await _context_size(plan, limits)
    room = estimated // 2
    if size is not None:
        room = min(int(estimated * _REFUSED_SHARE), size - (turn.request.max_output_tokens or 1))
    remaining = truncate(turn.items, costs, room - overhead, leading=plan.leading)
    if len(remaining) == len(turn.items):
        return None
    return replace(
        plan,
        turn=replace(turn, items=remaining),
        ignored=[name for name in plan.ignored if name != _PARAMETER],
    )


async def fit(plan: Plan, limits: Limits) -> Plan:
    """Return the plan without the oldest items that do not fit. Items of a prompt template are instructions and stay.

    Where the size of the context is not known, nothing is removed, and `truncation` is reported as ignored.
    """
    size = await _context_size(plan, limits)
    if size is None:
        return replace(plan, ignored=[*plan.ignored, _PARAMETER])
    room = size - (plan.turn.request.max_output_tokens or 1)
    for _ in range(_ROUNDS_MAX):
        turn = plan.turn
        costs, overhead = item_tokens(turn), overhead_tokens(turn)
        estimated = sum(costs) + overhead
        if estimated * TOKEN_BYTES + len(costs) * _MARKS_TOKENS <= room:  # no token is shorter than a byte
            break
        counted = await _counted(plan, limits) or estimated
        if counted <= room:
            break
        remaining = truncate(turn.items, costs, estimated * room // counted - overhead, leading=plan.leading)
        if len(remaining) == len(turn.items):
            break
        plan = replace(plan, turn=replace(turn, items=remaining))
    return plan


async def _context_size(plan: Plan, limits: Limits) -> int | None:
    asked = plan.route.upstream.context_tokens(plan.turn.model, plan.turn.bearer)
    try:
        return await within(limits.count_wait_s, asked)
    except ApiError as error:
        _log.warning("upstream %s does not report the size of its contexts: %s", plan.route.name, error)
        return None


async def _counted(plan: Plan, limits: Limits) -> int | None:
    """The upstream's count of the turn's tokens; None where it has none. A failure does not end the request."""
    try:
        return await within(limits.count_wait_s, plan.route.upstream.count_tokens(plan.turn))
    except ApiError as error:
        _log.warning("upstream %s does not count tokens: %s", plan.route.name, error)
        return None
