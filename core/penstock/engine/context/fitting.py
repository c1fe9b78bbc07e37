"""Fitting a plan into its model's context, for requests with `truncation: "auto"` alone.

It knows how the room is reckoned and by whose count, and that an upstream may still refuse: then more goes. Which items
go, `truncation` decides.
"""

from __future__ import annotations

import logging

from penstock.engine.planning.plan import Plan
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Deltas

from .compaction import open_turn
from .estimate import TOKEN_BYTES, item_tokens, overhead_tokens
from .token_count import within
from .truncation import truncate

_log = logging.getLogger("penstock.fitting")

_MARKS_TOKENS = 16
"""What a chat template writes around an item, and no one counts here, is surely no more."""
_PARAMETER = "truncation"
_ROUNDS_MAX = 3
"""How often an upstream counts or refuses again: a few cuts by the estimate come near enough to its own count."""
_REFUSED_SHARE = 0.75
"""The part of the estimate of a refused turn that is sent again, at most."""


async def open_fitted(plan: Plan, limits: Limits) -> Deltas:
    """Open the plan's turn. Where an upstream refuses it as too long, the oldest items go, as far as that is allowed.

    Raises `ApiError`.
    """
    for _ in range(_ROUNDS_MAX):
        try:
            return await open_turn(plan.route.upstream, plan.turn, plan.compacting)
        except ApiError as error:
            if not (_may_cut(plan, error) and await _cut(plan, limits)):
                raise
    return await open_turn(plan.route.upstream, plan.turn, plan.compacting)


def _may_cut(plan: Plan, error: ApiError) -> bool:
    is_auto = plan.turn.request.truncation == "auto" and plan.compacting is None
    return is_auto and error.code == "context_length_exceeded"


async def _cut(plan: Plan, limits: Limits) -> bool:
    """Let half of a refused turn go, or what exceeds the context, where its size is known by now; False if none may.

    What was refused is too long whatever the estimate says, so that a quarter goes at least.
    """
    turn = plan.turn
    costs, overhead = item_tokens(turn), overhead_tokens(turn)
    estimated = sum(costs) + overhead
    size = await _context_size(plan, limits)
    room = estimated // 2
    if size is not None:
        room = min(int(estimated * _REFUSED_SHARE), size - (turn.request.max_output_tokens or 1))
    kept = truncate(turn.items, costs, room - overhead, leading=plan.leading)
    if len(kept) == len(turn.items):
        return False
    turn.items = kept
    plan.ignored = [name for name in plan.ignored if name != _PARAMETER]
    return True


async def fit(plan: Plan, limits: Limits) -> None:
    """Let the oldest items of a plan go, until it fits; those of a prompt template are instructions and stay.

    Where the size of the context is not known, nothing goes, and the client is told so.
    """
    turn = plan.turn
    size = await _context_size(plan, limits)
    if size is None:
        plan.ignored.append(_PARAMETER)
        return
    room = size - (turn.request.max_output_tokens or 1)
    for _ in range(_ROUNDS_MAX):
        costs, overhead = item_tokens(turn), overhead_tokens(turn)
        estimated = sum(costs) + overhead
        if estimated * TOKEN_BYTES + len(costs) * _MARKS_TOKENS <= room:  # no token is shorter than a byte
            return
        counted = await _counted(plan, limits) or estimated
        if counted <= room:
            return
        kept = truncate(turn.items, costs, estimated * room // counted - overhead, leading=plan.leading)
        if len(kept) == len(turn.items):
            return
        turn.items = kept


async def _context_size(plan: Plan, limits: Limits) -> int | None:
    asked = plan.route.upstream.context_tokens(plan.turn.model, plan.turn.bearer)
    try:
        return await within(limits.count_wait_s, asked)
    except ApiError as error:
        _log.warning("upstream %s does not tell the size of its contexts: %s", plan.route.name, error)
        return None


async def _counted(plan: Plan, limits: Limits) -> int | None:
    """By the upstream, if it can: where it cannot, the request need not end."""
    try:
        return await within(limits.count_wait_s, plan.route.upstream.count_tokens(plan.turn))
    except ApiError as error:
        _log.warning("upstream %s does not count tokens: %s", plan.route.name, error)
        return None
