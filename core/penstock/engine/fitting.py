"""Fitting a plan into its model's context, for requests with `truncation: "auto"` alone.

It knows how the room is reckoned and by whose count; what goes, `truncation` decides.
"""

from __future__ import annotations

import logging

from penstock.errors import ApiError
from penstock.limits import Limits

from .counting import within
from .estimate import TOKEN_BYTES, item_tokens, overhead_tokens
from .plan import Plan
from .truncation import truncate

_log = logging.getLogger("penstock.fitting")

_MARKS_TOKENS = 16
"""What a chat template writes around an item, and no one counts here, is surely no more."""
_ROUNDS_MAX = 3
"""How often an upstream is asked to count again: a few cuts by the estimate come near enough to its own count."""


async def fit(plan: Plan, limits: Limits, *, leading: int) -> None:
    """Let the oldest items of a plan go, until it fits; `leading` ones are instructions and stay.

    Where nobody knows the size of the context, nothing goes, and the client is told so.
    """
    turn = plan.turn
    size = await _context_size(plan, limits)
    if size is None:
        plan.ignored.append("truncation")
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
        kept = truncate(turn.items, costs, estimated * room // counted - overhead, leading=leading)
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
