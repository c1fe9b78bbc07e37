"""Fields that a model refuses, and that a turn can be sent without: they change nothing of what is asked.

Some upstreams refuse every field that they do not know, and agents send some with each request. It knows such fields,
and the words of such an error. What changes the answer is never left out: there the client gets the error.
"""

from __future__ import annotations

import logging

from msgspec.structs import replace

from penstock.errors import ApiError
from penstock.patterns import lazy_pattern
from penstock.ports import Turn
from penstock.wire import ReasoningItem

from .wire import ChatRequest, Options

_log = logging.getLogger("penstock.chat_completions")

_HINTS = (
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
    "stream_options",
    "parallel_tool_calls",
)
"""Fields of the request."""
_ASKED = tuple(name for name in _HINTS if name != "stream_options")
"""Those that a client sends."""
_THOUGHTS = ("reasoning_content", "reasoning")
"""Fields of the messages of an assistant."""
_LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of one limit."""
_NAMES = (*_HINTS, *_THOUGHTS, *_LIMITS)

_REFUSAL = lazy_pattern(
    r"(?i)unsupported|not supported|not permitted|not allowed|unknown|unrecogni[sz]ed|unexpected|extra (?:input|field)"
)
_ROLE = lazy_pattern(r"(?i)\brole\b")
_WORDS = lazy_pattern(r"(?<![\w-])\w+(?![\w-])")
_MODEL_CHARS_MAX = 200
"""The longest name of a model that is remembered."""

Refused = frozenset[str]
NOTHING: Refused = frozenset()


class RefusedFields:
    """The fields that each model of one upstream was found to refuse."""

    def __init__(self, models_max: int) -> None:
        self._models_max = models_max
        self._by_model: dict[str, Refused] = {}

    def of(self, model: str) -> Refused:
        """Those of a model."""
        return self._by_model.get(model, NOTHING)

    def learn(self, model: str, error: ApiError) -> Refused | None:
        """Those of a model after this error; None where the error names no further one."""
        # spec: refused-fields
        known = self.of(model)
        refused = known | _named_in(error)
        if refused == known:
            return None
        if len(self._by_model) >= self._models_max:
            self._by_model.clear()
        if len(model) <= _MODEL_CHARS_MAX:
            self._by_model[model] = refused
            names = ", ".join(sorted(refused - known))
            _log.warning("the upstream refuses %s for the model %r, and gets it no more", names, model)
        return refused


def accepted(options: Options, refused: Refused) -> Options:
    """The options for a model that refuses these fields."""
    if options.reasoning_field in refused:
        options = replace(options, reasoning_field="none")
    if options.max_tokens_field in refused:
        others = (name for name in _LIMITS if name != options.max_tokens_field)
        options = replace(options, max_tokens_field=next(others))
    return options


def leave_out(body: ChatRequest, refused: Refused) -> None:
    """Remove refused fields from a request. One call after the other is no hint: it is asked for."""
    for name in refused.intersection(_HINTS):
        if getattr(body, name) is not False:
            setattr(body, name, None)


def left_out_of(turn: Turn, refused: Refused) -> list[str]:
    """What a client sent and a model does not get: parameters, and thoughts of earlier turns."""
    request = turn.request
    names = [name for name in _ASKED if name in refused and getattr(request, name) not in (None, False)]
    if refused.intersection(_THOUGHTS) and any(isinstance(item, ReasoningItem) for item in turn.items):
        names.append("input.reasoning")
    return names


def _named_in(error: ApiError) -> Refused:
    """The fields that an error refuses."""
    if error.status not in (400, 422) or not _REFUSAL.search(error.message):
        return NOTHING
    words = {*_WORDS.findall(error.message), error.param}
    return frozenset(name for name in _NAMES if name in words and not (name == "user" and _ROLE.search(error.message)))
