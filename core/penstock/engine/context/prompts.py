"""Prompt templates: a request with `prompt` becomes the request that the template describes.

It knows placeholders and their variables, and which fields a template sets: a field of the request overrides the
template's. The template's items are instructions: they come before all other items, and no later turn inherits them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.engine.request.decode import Decoded, decode
from penstock.errors import ApiError, invalid, not_found, quoted
from penstock.limits import Limits
from penstock.patterns import lazy_pattern
from penstock.ports import PromptBroken, Prompts, PromptTemplate
from penstock.wire import (
    ContentPart,
    CreateResponse,
    InputFile,
    InputImage,
    InputItem,
    InputText,
    ItemReference,
    Message,
    OutputText,
    Prompt,
)

_log = logging.getLogger("penstock.prompts")

_PLACEHOLDER = lazy_pattern(r"\{\{\s*([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*\}\}")
_DIGITS = lazy_pattern(r"([0-9]+)")
_FOR_REQUESTS = (
    *("prompt", "previous_response_id", "conversation", "stream", "stream_options", "store", "background"),
    *("metadata", "user", "safety_identifier"),
)
"""The fields that a template cannot set: they belong to one request."""
_DEFAULTS = tuple({*CreateResponse.__struct_fields__} - {*_FOR_REQUESTS, "input", "instructions"})

Value: TypeAlias = str | InputText | InputImage | InputFile
_decode_value = msgspec.json.Decoder(str | InputText | InputImage | InputFile).decode


async def apply_prompt(decoded: Decoded, prompt: Prompt, prompts: Prompts | None, limits: Limits) -> Decoded:
    """The request with the fields and items of its prompt template. Raises `ApiError`."""
    if prompts is None:
        message = f"Prompt with id {quoted(prompt.id)} not found: no prompt templates are configured on this server."
        raise not_found(message, "prompt_not_found", "prompt.id")
    try:
        version = await _version(prompt, prompts)
        template = read_template(await prompts.template(prompt.id, version), limits)
    except PromptBroken as broken:
        _log.error("prompt template %s", broken)
        raise _unusable(prompt) from None
    values = _values(prompt, placeholders(template))
    asked, items = decoded.request, _items(template)
    given = {name: getattr(template, name) for name in _DEFAULTS if getattr(asked, name) is None}
    if asked.instructions is None and template.instructions is not None:
        given["instructions"] = _text(template.instructions, values)
    request = replace(asked, prompt=replace(prompt, version=version), **given)
    leading = [_filled(item, values) for item in items]
    return replace(decoded, request=request, leading=leading)


def read_template(template: PromptTemplate, limits: Limits) -> CreateResponse:
    """Decode a template, which has the form of a request. Raises `PromptBroken`."""
    try:
        decoded = decode(template.body, limits)
    except ApiError as error:
        raise PromptBroken(template.where, error.message) from None
    for name in sorted(decoded.unknown):
        raise PromptBroken(template.where, f"there is no field '{name}'")
    for name in _FOR_REQUESTS:
        if getattr(decoded.request, name) is not None:
            raise PromptBroken(template.where, f"'{name}' is for requests, and not for templates")
    for index, item in enumerate(_items(decoded.request)):
        if isinstance(item, ItemReference):
            raise PromptBroken(template.where, f"input[{index}] refers to an item, where it should be one")
    return decoded.request


def placeholders(template: CreateResponse) -> set[str]:
    """The names of a template's variables."""
    return {name for text in _texts(template) for name in _PLACEHOLDER.findall(text)}


def newest(versions: Sequence[str]) -> str:
    """The greatest version, numbers within it compared as numbers: `10` comes after `9`, `1.10` after `1.9`."""
    return max(versions, key=_rank)


def _rank(version: str) -> tuple[list[tuple[int, str]], str]:
    """The numbers of a version and the text between them; then the version itself, since `1` and `01` differ."""
    return [(int(run), "") if run.isdigit() else (0, run) for run in _DIGITS.split(version)], version


async def _version(prompt: Prompt, prompts: Prompts) -> str:
    """The requested version, or else the newest. Raises `ApiError` 404."""
    versions = await prompts.versions(prompt.id)
    if not versions:
        raise not_found(f"Prompt with id {quoted(prompt.id)} not found.", "prompt_not_found", "prompt.id")
    version = prompt.version or newest(versions)
    if version not in versions:
        message = f"Version {quoted(version)} of prompt '{prompt.id}' not found."
        raise not_found(message, "prompt_not_found", "prompt.version")
    return version


def _unusable(prompt: Prompt) -> ApiError:
    message = f"The template of prompt '{prompt.id}' is broken on this server; its operator can see why in the log."
    return ApiError(message, status=500, type="server_error", code="server_error", retriable=False)


# Variables.


def _values(prompt: Prompt, names: set[str]) -> dict[str, Value]:
    """The value of each variable of the template. Raises `ApiError` 400 for missing and for unknown variables."""
    given = prompt.variables or {}
    for name in sorted(given.keys() ^ names):
        what = "Missing variable" if name in names else "Unknown variable"
        known = ", ".join(f"'{each}'" for each in sorted(names)) or "none"
        message = f"{what} {quoted(name)} of prompt '{prompt.id}'. Its variables are: {known}."
        raise invalid(message, f"prompt.variables.{name}")
    return {name: _value(name, raw) for name, raw in given.items()}


def _value(name: str, raw: msgspec.Raw) -> Value:
    try:
        value: Value = _decode_value(raw)
    except (msgspec.DecodeError, RecursionError):
        message = (
            f"Invalid variable '{name}': expected a string, or a part of type input_text, input_image, input_file."
        )
        raise invalid(message, f"prompt.variables.{name}", "invalid_type") from None
    return value


# Filling in.


def _items(template: CreateResponse) -> list[InputItem]:
    if isinstance(template.input, str):
        return [Message(role="user", content=template.input)]
    return template.input or []


def _texts(template: CreateResponse) -> Iterator[str]:
    """The texts that may contain placeholders: instructions and messages."""
    yield template.instructions or ""
    for item in _items(template):
        if isinstance(item, Message):
            parts = [InputText(text=item.content)] if isinstance(item.content, str) else item.content
            yield from (part.text for part in parts if isinstance(part, InputText | OutputText))


def _filled(item: InputItem, values: dict[str, Value]) -> InputItem:
    if not isinstance(item, Message):
        return item
    content = item.content
    takes_parts = item.role == "user"
    if isinstance(content, str):
        names = _PLACEHOLDER.findall(content)
        if not takes_parts or all(isinstance(values[name], str) for name in names):
            return replace(item, content=_text(content, values))
        content = [InputText(text=content)]
    parts = [filled for part in content for filled in _part(part, values, takes_parts=takes_parts)]
    return replace(item, content=parts)


def _part(part: ContentPart, values: dict[str, Value], *, takes_parts: bool) -> list[ContentPart]:
    """The parts that replace a part: a variable that is a part separates the texts around its placeholder."""
    if not isinstance(part, InputText | OutputText) or not _PLACEHOLDER.search(part.text):
        return [part]
    if not takes_parts or isinstance(part, OutputText):
        return [replace(part, text=_text(part.text, values))]
    parts: list[ContentPart] = []
    pending = ""
    for number, piece in enumerate(_PLACEHOLDER.split(part.text)):
        value = values[piece] if number % 2 else piece  # variable names have odd numbers
        if isinstance(value, str):
            pending += value
            continue
        parts += [InputText(text=pending), value] if pending else [value]
        pending = ""
    return [*parts, InputText(text=pending)] if pending else parts


def _text(text: str, values: dict[str, Value]) -> str:
    """A text with its variables filled in, where only text is allowed. Raises `ApiError` 400."""
    return _PLACEHOLDER.sub(lambda found: _as_text(found[1], values[found[1]]), text)


def _as_text(name: str, value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, InputText):
        return value.text
    message = f"The variable '{name}' is used in instructions or in a message that is not a user's: it must be text."
    raise invalid(message, f"prompt.variables.{name}", "invalid_type")
