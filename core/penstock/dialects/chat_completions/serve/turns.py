"""The requests of chat clients as turns of the model: one for each choice of the reply.

It knows what each parameter means in a request of the Responses API. It never answers a turn.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from penstock.dialects.chat_completions import wire
from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.patterns import lazy_pattern
from penstock.ports import Choice, Turn
from penstock.tool_calls import FunctionDefinition
from penstock.wire import (
    CreateResponse,
    FunctionTool,
    Include,
    InputItem,
    Message,
    Reasoning,
    TextConfig,
)
from penstock.wire import JsonObjectFormat as AnyJson
from penstock.wire import JsonSchemaFormat as SchemaJson

from .inputs import Tokenizer, read_inputs
from .messages import read_messages
from .requests import (
    SEED_MAX,
    ChatRequest,
    CompletionRequest,
    GenerationRequest,
    JsonObjectFormat,
    JsonSchemaFormat,
    ReadTool,
    StreamOptions,
)

_COMPLETION_TOKENS = 16
"""The tokens of a completion without `max_tokens`. The number is OpenAI's."""
_LOGPROBS: list[Include] = ["message.output_text.logprobs"]
_NO_OPTIONS = StreamOptions()


class Generation(msgspec.Struct, kw_only=True):
    """What a client asked for: a turn for each choice, and the form of the reply."""

    kind: Literal["chat", "text"]
    model: str
    """The name of the model, as the client sent it."""
    stream: bool
    includes_usage: bool = False
    """Whether a stream ends with a chunk that has the usage."""
    counts_tokens: bool = False
    """Whether each chunk of a stream has the usage so far."""
    includes_reasoning: bool = True
    turns: list[Turn]
    prompt_tokens: list[int | None]
    """The tokens of the prompt of each choice, where it is no chat. The tokens of a chat are in its turn's usage."""
    choices_per_prompt: int = 1


def chat_generation(request: ChatRequest, model: str, named: str, limits: Limits) -> Generation:
    """What is generated for a chat client. `named` is the client's name of the model. Raises `ApiError` 400."""
    offers, choice = _tools(request)
    asked = _asked(request, model)
    asked.max_output_tokens = request.max_completion_tokens or request.max_tokens
    asked.tools = [FunctionTool(name=offer.name, parameters=offer.parameters) for offer in offers]
    asked.parallel_tool_calls = request.parallel_tool_calls
    if request.verbosity:
        asked.text = replace(asked.text or TextConfig(), verbosity=request.verbosity)
    if request.reasoning_effort:
        asked.reasoning = Reasoning(effort=request.reasoning_effort)
    if request.logprobs:
        asked.include, asked.top_logprobs = _LOGPROBS, request.top_logprobs
    elif request.top_logprobs:
        raise invalid("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
    turn = _turn(asked, read_messages(request.messages), request)
    turn.offers, turn.choice = offers, choice
    generation = _generation(request, "chat", named, [turn], limits)
    generation.includes_reasoning = request.include_reasoning is not False
    return generation


def completion_generation(
    request: CompletionRequest, model: str, named: str, limits: Limits, tokenizer: Tokenizer
) -> Generation:
    """What is generated for a client of `/completions`. Raises `ApiError` 400."""
    asked = _asked(request, model)
    asked.max_output_tokens = request.max_tokens or _COMPLETION_TOKENS
    if request.logprobs is not None:
        asked.include, asked.top_logprobs = _LOGPROBS, request.logprobs
    inputs = read_inputs(request.prompt, "prompt", tokenizer)
    turns = [_turn(asked, [Message(role="user", content=each.text)], request) for each in inputs]
    generation = _generation(request, "text", named, turns, limits)
    generation.prompt_tokens = [each.tokens for each in inputs for _ in range(generation.choices_per_prompt)]
    return generation


def _generation(
    request: GenerationRequest, kind: Literal["chat", "text"], named: str, turns: list[Turn], limits: Limits
) -> Generation:
    choices = request.n or 1
    if (all_choices := choices * len(turns)) > limits.choices_max:
        message = f"Invalid 'n': Expected at most {limits.choices_max} choices in all, but got {all_choices}."
        raise invalid(message, "n", "integer_above_max_value")
    options = request.stream_options
    if options is not None and not request.stream:
        raise invalid("'stream_options' is only allowed when 'stream' is true.", "stream_options")
    options = options or _NO_OPTIONS
    return Generation(
        kind=kind,
        model=named,
        stream=bool(request.stream),
        includes_usage=bool(options.include_usage),
        counts_tokens=bool(options.include_usage and options.continuous_usage_stats),
        turns=[each for turn in turns for each in _choices(turn, choices)],
        prompt_tokens=[None] * all_choices,
        choices_per_prompt=choices,
    )


def _asked(request: GenerationRequest, model: str) -> CreateResponse:
    """The parameters that both kinds of requests have."""
    text_format = _text_format(request)
    return CreateResponse(
        model=model,
        stream=request.stream,
        text=TextConfig(format=text_format) if text_format else None,
        stop=request.stop,
        seed=request.seed,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        min_p=request.min_p,
    )


def _text_format(request: GenerationRequest) -> AnyJson | SchemaJson | None:
    given = request.response_format
    if isinstance(given, JsonSchemaFormat):
        schema = given.json_schema
        return SchemaJson(name=schema.name, schema=schema.schema, strict=schema.strict)
    return AnyJson() if isinstance(given, JsonObjectFormat) else None


def _turn(asked: CreateResponse, items: list[InputItem], request: GenerationRequest) -> Turn:
    return Turn(
        model=asked.model or "",
        request=asked,
        items=items,
        stream=bool(request.stream),
        extras=_extras(request),
    )


def _extras(request: GenerationRequest) -> dict[str, msgspec.Raw]:
    """The parameters of local backends that Responses do not have."""
    extras: dict[str, msgspec.Raw] = {}
    if request.min_tokens:
        extras["min_tokens"] = msgspec.Raw(msgspec.json.encode(request.min_tokens))
    if request.ignore_eos:
        extras["ignore_eos"] = msgspec.Raw(b"true")
    return extras


def _choices(turn: Turn, count: int) -> list[Turn]:
    """A turn for each choice. They differ in their seeds."""
    seed = turn.request.seed or 0
    return [turn] + [
        replace(turn, request=replace(turn.request, seed=(seed + index) % SEED_MAX)) for index in range(1, count)
    ]


def _tools(request: ChatRequest) -> tuple[list[FunctionDefinition], Choice]:
    """The functions of a request, and which of them the model has to call."""
    offers = [_offer(tool, f"tools[{index}].function") for index, tool in enumerate(request.tools or ())]
    given = request.tool_choice
    if isinstance(given, wire.FunctionChoice):
        name = given.function.name
        if all(offer.name != name for offer in offers):
            raise invalid(f"Tool choice '{name}' is not in 'tools'.", "tool_choice.function.name")
        return offers, Choice(mode="required", name=name)
    if given == "required" and not offers:
        raise invalid("'tool_choice' is 'required', and there are no 'tools'.", "tool_choice")
    return offers, Choice(mode=given or "auto")


def _offer(tool: ReadTool, param: str) -> FunctionDefinition:
    function = tool.function
    if bytes(memoryview(function.parameters)[:1]) not in (b"{", b"n"):
        raise invalid(
            f"Invalid type for '{param}.parameters': expected an object.", f"{param}.parameters", "invalid_type"
        )
    return FunctionDefinition(
        name=function.name,
        description=function.description,
        parameters=function.parameters,
        strict=function.strict,
    )


_SCHEMA_OF_TOOL = lazy_pattern(r"tools\[\d+\]\.parameters")
_NAMES = {"max_output_tokens": "max_tokens"}


def in_chat_terms(error: ApiError, input_name: str) -> ApiError:
    """The error of a turn, whose `param` names the client's parameter. `input_name` is that of its input."""
    param = error.param or ""
    if param.startswith("text.format"):
        error.param = param.replace("text.format", "response_format.json_schema", 1)
    elif _SCHEMA_OF_TOOL.match(param):
        error.param = param.replace("].", "].function.", 1)
    elif param == "input":
        error.param = input_name
    else:
        error.param = _NAMES.get(param, error.param)
    return error
