"""The plan cache: requests of which only the input differs have the same plan, but for what this module replaces.

Programs and agents send the same parameters again and again. It knows for which contexts a plan depends on nothing
else, and decides nothing itself: `make_plan` makes each plan that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.engine.context.resolve import Context
from penstock.engine.context.sealing import Seal
from penstock.engine.request.decode import Decoded
from penstock.engine.request.unknown_parameters import has_unknown
from penstock.engine.upstreams.routes import Routes
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.ports import SharedRequest
from penstock.secrets import Secret
from penstock.wire import (
    CreateResponse,
    CustomTool,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    InputItem,
    Message,
)

from .plan import Plan, make_plan
from .policies import Policies

_KEYS_MAX = 256
_PLANS_PER_KEY_MAX = 4
_BYTES_MAX = 16 * 2**10
"""The plan of a larger request is not cached. What is in the request cache does not count."""
_ITEMS = frozenset({Message, FunctionCall, FunctionCallOutput, CustomToolCall, CustomToolCallOutput})
"""Items that a plan does not depend on: they contain no tools, and none is read as another one or sealed."""
_TOOLS = frozenset({FunctionTool, CustomTool})
_VARYING = (
    *("previous_response_id", "conversation", "prompt", "metadata", "user", "safety_identifier"),
    *("background", "context_management", "truncation"),
)
"""Parameters that differ from request to request, or for which a plan depends on the context."""


Key: TypeAlias = tuple[str, str | None]
"""A client, and the name of a model."""


class _Made(msgspec.Struct, frozen=True):
    """A plan, and the request that it was made for, without its input."""

    request: CreateResponse
    cached: frozenset[str]
    """The parameters that were in the request cache, so that the plan has them encoded."""
    is_stored: bool
    plan: Plan

    def is_for(self, decoded: Decoded, *, is_stored: bool) -> bool:
        """Whether the request differs from this one in its input only."""
        self.request.input = decoded.request.input
        is_equal = self.request == decoded.request
        self.request.input = None
        return is_equal and self.is_stored == is_stored and self.cached == decoded.cached.keys()


class PlanCache:
    """The plans of one engine, the oldest of which are dropped."""

    def __init__(self, routes: Routes, policies: Policies, limits: Limits) -> None:
        self._routes = routes
        self._policies = policies
        self._limits = limits
        self._made: dict[Key, list[_Made]] = {}
        """The plans by their client and model: no client gets what another one has sent."""

    def plan(
        self,
        decoded: Decoded,
        context: Context,
        *,
        bearer: Secret | None,
        client: str,
        response_id: str,
        created_at: int,
        is_stored: bool,
        seal: Seal | None,
    ) -> Plan:
        """The plan of a request. Raises `ApiError`."""
        key = client, decoded.request.model
        items = context.items
        is_plain = _is_plain(decoded, context, items)
        made = self._find(key, decoded, is_stored=is_stored) if is_plain else None
        if made is None:
            plan = make_plan(
                decoded,
                context,
                self._routes,
                self._policies,
                bearer=bearer,
                client=client,
                response_id=response_id,
                created_at=created_at,
                is_stored=is_stored,
                limits=self._limits,
                seal=seal,
            )
            if is_plain:
                self._note(key, decoded, plan, is_stored=is_stored)
            return plan
        turn = replace(
            made.turn,
            request=decoded.request,
            items=items,
            size=context.size,
            bearer=bearer if made.route.takes_bearer else None,
            client=client,
            synthetic="",
        )
        return replace(
            made,
            turn=turn,
            seal=made.seal and seal,
            extras_seal=made.extras_seal and seal,
            skeleton=replace(made.skeleton, id=response_id, created_at=created_at),
        )

    def _find(self, key: Key, decoded: Decoded, *, is_stored: bool) -> Plan | None:
        """The plan of a request that is equal but for its input."""
        for made in self._made.get(key, ()):
            if made.is_for(decoded, is_stored=is_stored):
                return made.plan
        return None

    def _note(self, key: Key, decoded: Decoded, plan: Plan, *, is_stored: bool) -> None:
        frame = replace(decoded.request, input=None)  # the cache must not keep the texts of clients
        if not (_may_come_again(frame) and _size(decoded, frame) <= _BYTES_MAX):
            return
        # spec: bounded-caches
        plans = self._made.setdefault(key, [])
        if len(plans) == _PLANS_PER_KEY_MAX:
            plans.pop()
        if len(self._made) > _KEYS_MAX:
            del self._made[next(iter(self._made))]
        plan = replace(plan, turn=replace(plan.turn, request=frame, items=(), shared=SharedRequest()))
        plans.insert(0, _Made(frame, frozenset(decoded.cached), is_stored, plan))


def _is_plain(decoded: Decoded, context: Context, items: Sequence[InputItem]) -> bool:
    """Whether the plan depends on the parameters of the request only, where the model reads these items."""
    if decoded.unknown or decoded.mapped or context.leading or context.compacts:
        return False
    if not _ITEMS.issuperset(map(type, items)):
        return False
    return (decoded.is_known and not context.earlier) or not any(map(has_unknown, items))


def _may_come_again(request: CreateResponse) -> bool:
    is_varying = any(getattr(request, name) is not None for name in _VARYING)
    return not is_varying and _TOOLS.issuperset(map(type, request.tools or ()))


def _size(decoded: Decoded, frame: CreateResponse) -> int:
    """An upper bound of the size in bytes of what is not in the request cache."""
    return len(encode(replace(frame, **dict.fromkeys(decoded.cached)))) if decoded.cached else decoded.size
