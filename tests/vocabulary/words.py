"""Two vocabularies as sets of paths: ours from the wire structs, theirs from the `openai` package.

A path is `event/response.created`, `event/response.created/response`, `response/truncation=auto`:
a word, a field of it, a value of that field. A path that ends in `?` is a field that may be absent.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import msgspec
from openai.types import responses
from openai.types.responses import response as response_module
from openai.types.responses import (
    response_compact_params,
    response_create_params,
    response_format_text_config,
    response_usage,
)
from openai.types.responses.response_content_part_added_event import ResponseContentPartAddedEvent
from openai.types.responses.response_output_text import Annotation
from openai.types.responses.response_reasoning_item import Summary
from openai.types.shared import Reasoning
from pydantic import BaseModel
from typing_extensions import is_typeddict

from penstock import wire
from support.shapes import bare, keys, members, tags

Differences = tuple[set[str], set[str]]

ANY = "<any>"
OPEN = (str, object, Any)
UNKNOWN = wire.UNKNOWN
"""Where a struct keeps what stands in no vocabulary: it is no word of a vocabulary."""

# Unions of words: name -> (ours, theirs).
UNIONS: dict[str, tuple[Any, Any]] = {
    "event": (wire.StreamEvent, responses.ResponseStreamEvent),
    "output": (wire.OutputItem, responses.ResponseOutputItem),
    "input": (wire.InputItem, responses.ResponseInputItem),
    "tool": (wire.Tool, responses.Tool),
    "tool_choice": (wire.ToolChoice, response_module.ToolChoice),
    "part": (
        wire.ContentPart | wire.OutputPart | wire.SummaryText,
        responses.ResponseInputContent
        | ResponseContentPartAddedEvent.model_fields["part"].annotation  # type: ignore[operator]
        | Summary,
    ),
    "annotation": (wire.Annotation, Annotation),
    "format": (
        wire.TextFormat | wire.JsonObjectFormat | wire.JsonSchemaFormat,
        response_format_text_config.ResponseFormatTextConfig,
    ),
}
# Single objects: name -> (ours, theirs).
OBJECTS: dict[str, tuple[Any, Any]] = {
    "request": (wire.CreateResponse, response_create_params.ResponseCreateParamsNonStreaming),
    "stream_options": (wire.StreamOptions, response_create_params.StreamOptions),
    "context_management": (wire.ContextManagement, response_create_params.ContextManagement),
    "prompt_cache_options": (wire.PromptCacheOptions, response_create_params.PromptCacheOptions),
    "response": (wire.Response, responses.Response),
    "usage": (wire.Usage, responses.ResponseUsage),
    "input_tokens_details": (wire.InputTokensDetails, response_usage.InputTokensDetails),
    "output_tokens_details": (wire.OutputTokensDetails, response_usage.OutputTokensDetails),
    "error": (wire.ResponseError, responses.ResponseError),
    "incomplete_details": (wire.IncompleteDetails, response_module.IncompleteDetails),
    "conversation": (wire.ConversationReference, response_module.Conversation),
    "text": (wire.TextConfig, responses.ResponseTextConfig),
    "reasoning": (wire.Reasoning, Reasoning),
    "compact": (wire.CompactResponse, response_compact_params.ResponseCompactParams),
    "compacted": (wire.CompactedResponse, responses.CompactedResponse),
    "prompt": (wire.Prompt, responses.ResponsePrompt),
}


def differences() -> Differences:
    """What they have and we lack; what we have and they lack. Inside a word only if both have it."""
    found = [compare_unions(name, *pair) for name, pair in UNIONS.items()]
    found += [compare_objects(name, *pair) for name, pair in OBJECTS.items()]
    return set().union(*(missing for missing, _ in found)), set().union(*(extra for _, extra in found))


def compare_unions(name: str, ours: Any, theirs: Any) -> Differences:
    our_words, their_words = dict(_our_words(ours)), _their_words(theirs)
    missing = {f"{name}/{tag}" for tag in their_words.keys() - our_words.keys()}
    extra = {f"{name}/{tag}" for tag in our_words.keys() - their_words.keys()}
    for tag in our_words.keys() & their_words.keys():
        _compare(f"{name}/{tag}", our_words[tag], their_words[tag], missing, extra)
    return missing, extra


def compare_objects(name: str, ours: Any, theirs: Any) -> Differences:
    missing: set[str] = set()
    extra: set[str] = set()
    _compare(name, ours, [theirs], missing, extra)
    return missing, extra


def _our_words(union: Any) -> Iterator[tuple[str, Any]]:
    for member in members(union):
        if isinstance(member, type) and issubclass(member, msgspec.Struct) and member.__struct_config__.tag != UNKNOWN:
            yield str(member.__struct_config__.tag), member


def _their_words(union: Any) -> dict[str, list[Any]]:
    words: dict[str, list[Any]] = {}
    for member in members(union):
        if isinstance(member, type) and issubclass(member, BaseModel):
            for tag in tags(member):
                words.setdefault(tag, []).append(member)
    return words


def _compare(path: str, ours: Any, theirs: list[Any], missing: set[str], extra: set[str]) -> None:
    """Fields, the values that they may have, and whether they may be absent."""
    our_fields, their_fields = _fields(ours), _merged(theirs)
    both = our_fields.keys() & their_fields.keys()
    missing |= {f"{path}/{key}" for key in their_fields.keys() - both}
    extra |= {f"{path}/{key}" for key in our_fields.keys() - both}
    for key in both:
        our_values, their_values = _values(our_fields[key]), _values(their_fields[key])
        missing |= {f"{path}/{key}={value}" for value in _beyond(their_values, our_values)}
        extra |= {f"{path}/{key}={value}" for value in _beyond(our_values, their_values) - {ANY}}
        if _may_be_absent(ours, key) and not any(_may_be_absent(one, key) for one in theirs):
            extra.add(f"{path}/{key}?")


def _beyond(some: set[Any], others: set[Any]) -> set[Any]:
    """Values that are not among the others; none if those are open, or no words at all."""
    return some - others if others and ANY not in others else set()


def _merged(models: Iterable[Any]) -> dict[str, Any]:
    """The fields of all of them; a key that several have has any of their types."""
    merged: dict[str, Any] = {}
    for fields in map(_fields, models):
        for key, kind in fields.items():
            merged[key] = merged[key] | kind if merged.get(key, kind) != kind else kind
    return merged


def _fields(owner: Any) -> dict[str, Any]:
    """Key in JSON -> type, for a struct, a model or a typed dictionary. A `type` of known words names the object."""
    if is_typeddict(owner):
        return get_type_hints(owner)
    if issubclass(owner, BaseModel):
        fields = {key: field.annotation for key, field in keys(owner).items()}
        return {key: kind for key, kind in fields.items() if key != "type" or ANY in _values(kind)}
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(owner)}
    return {key: kind for key, kind in fields.items() if key != UNKNOWN}


def _may_be_absent(owner: Any, key: str) -> bool:
    if is_typeddict(owner):
        return key not in owner.__required_keys__
    if issubclass(owner, BaseModel):
        return key not in keys(owner) or not keys(owner)[key].is_required()
    return msgspec.UnsetType in get_args(_fields(owner)[key])


def _values(kind: Any) -> set[Any]:
    """The words that a field's strings may be; ANY if any string will do."""
    kind = bare(kind)
    while get_origin(kind) in {Required, NotRequired}:
        kind = bare(get_args(kind)[0])
    origin = get_origin(kind)
    if origin is Literal:
        return {value for value in get_args(kind) if isinstance(value, str)}
    if origin in {Union, types.UnionType, list}:
        return set().union(*map(_values, get_args(kind)))
    return {ANY} if kind in OPEN else set()
