"""Step 3: the plan of a run: the upstream, the tools, and the initial Response.

It is pure: a plan can be printed, compared and tested.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from penstock.engine.context.compaction import Compacting, compact_threshold, plan_compaction
from penstock.engine.context.error_location import locate
from penstock.engine.context.resolve import Context
from penstock.engine.context.sealing import Seal
from penstock.engine.context.visible_items import visible_items
from penstock.engine.hosted_tools.plan import HostedPlan, plan_hosted
from penstock.engine.request.decode import Decoded
from penstock.engine.request.request_cache import CachedValue
from penstock.engine.request.unknown_parameters import UnknownParameters, settle_unknown, settle_unknown_items
from penstock.engine.upstreams.routes import Route, Routes
from penstock.errors import ApiError
from penstock.json_codec import encoded
from penstock.limits import Limits
from penstock.ports import CachedOffers, EncodedText, Turn
from penstock.secrets import Secret
from penstock.tool_calls import READ_AS, UNSUPPORTED_DIRECTIVES, CallFormat
from penstock.wire import (
    NULL,
    BackgroundOptions,
    CompactionTrigger,
    ConversationReference,
    CreateResponse,
    InputItem,
    Message,
    PromptCacheOptions,
    Reasoning,
    Response,
    TextConfig,
    TextFormat,
)

from .policies import Policies
from .redaction import redacted
from .tool_selection import ToolSelection, contains_tools, offer_nothing, offer_tools

_LIMITS = Limits()


class Plan(msgspec.Struct, kw_only=True):
    """All decisions that are made before the upstream is called."""

    route: Route
    turn: Turn
    compacting: Compacting | None
    """The compaction of the turn's context, if there is one."""
    seal: Seal | None
    """Seals the model's reasoning, where the client stores it."""
    hosted: HostedPlan | None
    """The hosted tools of the response, if it has any."""
    extras_seal: Seal | None
    """Seals the fields that the upstream expects back, where perhaps only the client stores them."""
    forms: dict[str, CallFormat]
    """How calls of each offered function are decoded."""
    skeleton: Response
    """The initial Response."""
    leading: int
    """How many items at the beginning of the turn belong to a prompt template."""
    ignored: list[str]
    """The parameters and tools of the request that are ignored; `x-penstock-ignored` names them."""
    mapped: list[str]
    """The content parts that are read as another type; `x-penstock-mapped` names them."""
    summarize: bool
    report_usage: bool
    obfuscate: bool

    @property
    def stream(self) -> bool:
        """Whether the upstream is asked for a stream, and the events are read."""
        return self.turn.stream


def make_plan(
    decoded: Decoded,
    context: Context,
    routes: Routes,
    policies: Policies,
    *,
    bearer: Secret | None,
    client: str = "",
    response_id: str,
    created_at: int,
    is_stored: bool = False,
    limits: Limits = _LIMITS,
    seal: Seal | None = None,
) -> Plan:
    """Make every decision that is possible before the upstream is called. Raises `ApiError`."""
    request = decoded.request
    model, route = routes.choose(request.model)
    selection = _select_tools(decoded, context, route, policies, limits)
    extras = _settle(decoded, context, route, policies)
    ignored = _unsupported(request, context, route, policies, is_stored=is_stored, seals=seal is not None)
    turn = Turn(
        model=route.aliases.get(model, model),
        request=request,
        items=_items(request, context, route, seal),
        size=context.size,
        instructions=_encoded_instructions(decoded),
        offers=selection.offers,
        choice=selection.choice,
        relays=route.relays,
        stream=_streams(request),
        bearer=bearer if route.takes_bearer else None,
        client=client,
        extras=extras.forwarded,
    )
    return Plan(
        route=route,
        turn=turn,
        compacting=None if route.relays else plan_compaction(turn, context, seal),
        seal=seal if _wants_sealed_reasoning(request) else None,
        hosted=plan_hosted(selection.hosted, policies.tools, turn, context, response_id, is_stored=is_stored),
        extras_seal=seal if _wants_sealed_reasoning(request) or not is_stored else None,
        forms=selection.forms,
        skeleton=_skeleton(decoded, context, model, response_id, created_at=created_at, is_stored=is_stored),
        ignored=[*extras.ignored, *selection.ignored, *ignored],
        mapped=decoded.mapped,
        leading=len(context.leading),
        summarize=_summary(request.reasoning) is not None,
        report_usage=bool(request.stream_options and request.stream_options.include_usage),
        obfuscate=bool(request.stream_options and request.stream_options.include_obfuscation),
    )


def _select_tools(
    decoded: Decoded, context: Context, route: Route, policies: Policies, limits: Limits
) -> ToolSelection:
    """The tools that are offered. Those that depend on cached tools only are selected once. Raises `ApiError`."""
    request, cached = decoded.request, decoded.cached_value("tools")
    if route.relays:
        return offer_nothing()
    if cached is None or request.tool_choice not in (None, "auto") or contains_tools(context):
        return offer_tools(request, context, policies, limits)
    if cached.selection is None:
        selection = offer_tools(request, context, policies, limits)
        selection.offers = CachedOffers(selection.offers)
        cached.selection = selection
    return cached.selection


def _settle(decoded: Decoded, context: Context, route: Route, policies: Policies) -> UnknownParameters:
    """Apply the policy to unknown parameters, items and parts of the request and its context. Raises `ApiError`."""
    extras = settle_unknown(decoded.unknown, policies.unknown_parameters, relays=route.relays, known=route.extras)
    if not route.relays:
        extras.ignored += settle_unknown_items(decoded.request, context.items, policies.unknown_parameters)
    return extras


def _encoded_instructions(decoded: Decoded) -> EncodedText | None:
    cached = decoded.cached_value("instructions")
    return EncodedText(cached.value, _json_of(cached)) if cached else None


def _cached_json(decoded: Decoded, name: str) -> Any:
    """The JSON of a cached parameter, else None. It has no type: the Response that contains it is only encoded."""
    cached = decoded.cached_value(name)
    return _json_of(cached) if cached else None


def _json_of(cached: CachedValue) -> msgspec.Raw:
    """The instructions or tools as a Response shows them. They are encoded once."""
    if cached.json is None:
        value = cached.value
        cached.json = encoded(redacted(value) if isinstance(value, list) else value)
    return cached.json


_IMAGES_UNCHANGED = msgspec.Raw(b'{"context_compression":"disabled"}')
"""The effective value of `image`: images are never compressed."""
_OPENAI_ONLY = ("access_programs", "image", "moderation")
"""Parameters of OpenAI's services that chat models do not have."""


def _read_as(item: InputItem) -> InputItem:
    read = READ_AS.get(type(item))
    return read(item) if read else item


def _skeleton(
    decoded: Decoded, context: Context, model: str, response_id: str, *, created_at: int, is_stored: bool
) -> Response:
    """The Response with every parameter's effective value; an absent parameter has OpenAI's default."""
    request = decoded.request
    return Response(
        id=response_id,
        created_at=created_at,
        status="queued" if request.background else "in_progress",
        background=bool(request.background),
        background_options=_background_options(request.background_options),
        previous_response_id=request.previous_response_id,
        conversation=ConversationReference(id=context.conversation_id) if context.conversation_id else None,
        # spec: chains
        instructions=_instructions(decoded, context),
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        model=model,
        parallel_tool_calls=request.parallel_tool_calls is not False,
        prompt=request.prompt,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention,
        prompt_cache_options=_cache_options(request.prompt_cache_options),
        reasoning=_reasoning(request.reasoning),
        safety_identifier=request.safety_identifier,
        service_tier="default" if request.service_tier in (None, "auto") else request.service_tier,
        store=is_stored,
        temperature=_or(request.temperature, 1.0),
        text=_text(request.text),
        tool_choice=request.tool_choice or "auto",
        # spec: stored-secrets
        tools=_cached_json(decoded, "tools") or redacted(request.tools or []),
        top_logprobs=request.top_logprobs or 0,
        top_p=_or(request.top_p, 1.0),
        presence_penalty=_or(request.presence_penalty, 0.0),
        frequency_penalty=_or(request.frequency_penalty, 0.0),
        truncation=request.truncation or "disabled",
        user=request.user,
        metadata=request.metadata or {},
        image=msgspec.UNSET if request.image == NULL else _IMAGES_UNCHANGED,
    )


def _streams(request: CreateResponse) -> bool:
    """Whether the upstream is asked for a stream. The events of a background response are stored, so it streams."""
    return bool(request.stream or request.background)


def _instructions(decoded: Decoded, context: Context) -> str | list[InputItem] | None:
    """A text, or the items that a prompt template begins with, the text before them."""
    request = decoded.request
    if not context.leading:
        return _cached_json(decoded, "instructions") or request.instructions
    text = [Message(role="developer", content=request.instructions)] if request.instructions else []
    return [*text, *context.leading]


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _summary(reasoning: Reasoning | None) -> Literal["auto", "concise", "detailed"] | None:
    return reasoning.summary or reasoning.generate_summary or None if reasoning else None


def _reasoning(reasoning: Reasoning | None) -> Reasoning:
    """Effort and summary; the value of the deprecated `generate_summary` is in `summary`."""
    if reasoning is None:
        return Reasoning()
    return msgspec.structs.replace(reasoning, summary=_summary(reasoning), generate_summary=msgspec.UNSET)


def _background_options(asked: BackgroundOptions | None) -> BackgroundOptions | msgspec.UnsetType:
    """The effective value: every background response runs as soon as possible."""
    return msgspec.structs.replace(asked, completion_window="soonest") if asked else msgspec.UNSET


def _cache_options(asked: PromptCacheOptions | None) -> PromptCacheOptions | msgspec.UnsetType:
    """The effective value, with OpenAI's defaults; absent where the request has none. `prewarm` is not echoed."""
    if asked is None:
        return msgspec.UNSET
    return msgspec.structs.replace(asked, mode=asked.mode or "implicit", ttl=asked.ttl or "30m", prewarm=msgspec.UNSET)


def _text(text: TextConfig | None) -> TextConfig:
    text = text or TextConfig()
    return msgspec.structs.replace(text, format=text.format or TextFormat(), verbosity=text.verbosity or "medium")


def _items(request: CreateResponse, context: Context, route: Route, seal: Seal | None) -> list[InputItem]:
    """The items that the upstream receives. One that serves the Responses API does its own compaction."""
    try:
        items = visible_items(context, seal, relays=route.relays)
    except ApiError as error:
        locate(error, context.items, request)
        raise
    if not route.relays:
        return items if READ_AS.keys().isdisjoint(map(type, items)) else [_read_as(item) for item in items]
    return [*items, CompactionTrigger()] if context.compacts else items


def _wants_sealed_reasoning(request: CreateResponse) -> bool:
    return "reasoning.encrypted_content" in (request.include or ())


def _unsupported(
    request: CreateResponse, context: Context, route: Route, policies: Policies, *, is_stored: bool, seals: bool
) -> list[str]:
    """Known parameters and items that have no effect on this server."""
    ignored = []
    if request.store and not is_stored:
        ignored.append("store")
    if route.relays:
        return ignored
    if request.context_management and (not seals or compact_threshold(request) is None):
        ignored.append("context_management")
    if _wants_sealed_reasoning(request) and not seals:
        ignored.append("include[reasoning.encrypted_content]")
    ignored += [name for name in _OPENAI_ONLY if getattr(request, name) != NULL]
    return ignored + _unsupported_directives(context, policies)


def _unsupported_directives(context: Context, policies: Policies) -> list[str]:
    """The items of this turn that ask for something that this server does not do."""
    if UNSUPPORTED_DIRECTIVES.isdisjoint(map(type, context.own)):
        return []
    unsupported = UNSUPPORTED_DIRECTIVES - policies.tools.answers
    return list(dict.fromkeys(f"input.{item.type}" for item in context.own if type(item) in unsupported))
