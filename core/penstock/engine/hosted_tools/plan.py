"""The plan of the hosted tools of a response: one session for each family of tools."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.engine.context.resolve import Context
from penstock.ids import new_id
from penstock.ports import DeclaredTool, ToolRequest, ToolSession, Turn

from .registry import HostedTools


class HostedPlan(msgspec.Struct, kw_only=True):
    """The sessions of a response, and the tools that made them."""

    tools: HostedTools
    sessions: Sequence[ToolSession]

    async def prepare(self, *, again: bool = False) -> None:
        """The last check before the response begins. Raises `ApiError` 400. See `ToolSession.prepare`."""
        for session in self.sessions:
            await session.prepare(again=again)


def plan_hosted(
    declared: Sequence[DeclaredTool],
    tools: HostedTools,
    turn: Turn,
    context: Context,
    response_id: str,
    *,
    is_stored: bool,
) -> HostedPlan | None:
    """The plan for these tools. None where the request has none, and answers no call.

    Raises `ApiError` 400 for what a family refuses.
    """
    has_answers = bool(tools.answers) and not tools.answers.isdisjoint(map(type, context.own))
    if context.compacts or not (declared or has_answers):
        return None
    request = ToolRequest(
        response_id=response_id,
        owner=turn.client,
        request=turn.request,
        tools=declared,
        earlier=[*context.leading, *context.earlier],
        own=context.own,
        is_stored=is_stored,
        new_id=new_id,
    )
    return HostedPlan(tools=tools, sessions=tools.sessions(request))
