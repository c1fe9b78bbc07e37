"""The metrics of one process: what is counted when a record ends.

It knows records and the registry. It sees no text of a request or response.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import sub

import msgspec

from penstock.telemetry.records import ENDED, AccessRecord

from . import registry
from .values import Names, Number, Values

_ANSWERED = frozenset({"completed", "incomplete"})
_ROUTES = {"WEBSOCKET": "websocket", "BACKGROUND": "background", "LIBRARY": "library"}
"""The route of what is no HTTP request, by the method in its record."""


_TOKENS = (registry.INPUT_TOKENS, registry.OUTPUT_TOKENS, registry.CACHED_TOKENS, registry.REASONING_TOKENS)


class _TokenSeries(msgspec.Struct, frozen=True):
    """The series of one model's tokens."""

    input: Number
    output: Number
    cached: Number
    reasoning: Number


class Metrics:
    """The metrics of one process. `models` are the names in the configuration.

    `local_upstreams` are those of which every token is observed. Of others, every read is.
    """

    def __init__(
        self,
        *,
        models: Sequence[str] = (),
        local_upstreams: Iterable[str] = (),
        names_max: int = 64,
        has_vllm_names: bool = False,
    ) -> None:
        self.values = Values()
        self.has_vllm_names = has_vllm_names
        self.only_model = models[0] if len(models) == 1 else registry.OTHER
        """The only model in the configuration, or else `_other`."""
        self.models = models[:names_max]
        self._models = Names(names_max, models)
        self._parameters = Names(names_max)
        self._reasons = Names(names_max)
        self._tokens: dict[str, _TokenSeries] = {}
        """The series of each model's tokens."""
        self._local_upstreams = frozenset(local_upstreams)

    def record(self, record: AccessRecord) -> None:
        """Count a record that has ended. It is a `RecordSink`."""
        values = self.values
        # spec: metrics
        route = _ROUTES.get(record.method) or record.route or registry.OTHER
        values.number(registry.REQUESTS, route, str(record.status)).value += 1
        for blame in record.upstream_errors:
            values.number(registry.UPSTREAM_ERRORS, blame).value += 1
        if record.retries:
            values.number(registry.UPSTREAM_RETRIES).value += record.retries
        for name in record.ignored:
            values.number(registry.IGNORED_PARAMETERS, self._parameters.label(name)).value += 1
        for use in record.tools:
            values.histogram(registry.TOOL_CALLS, use.family, use.status).observe(use.duration_s)
        if record.lacks_terminal:
            values.number(registry.STREAMS_WITHOUT_TERMINAL).value += 1
        if record.has_run and (status := _terminal_status(record)) is not None:
            self._record_response(record, status)

    def model(self, name: str, *, may_add: bool = False) -> str:
        """The label of a model. Options after a question mark are no part of it."""
        return self._models.label(name.partition("?")[0] if "?" in name else name, may_add=may_add)

    def _record_response(self, record: AccessRecord, status: str) -> None:
        values = self.values
        # a name is a new label only where an upstream has answered for it: clients may send any name
        model = self.model(record.model, may_add=status in _ANSWERED)
        reason = record.response_reason or (record.failure.code if record.failure else "")
        values.number(registry.RESPONSES, model, status, self._reasons.label(reason) if reason else "").value += 1
        values.histogram(registry.RESPONSE_DURATION, model).observe(record.duration_s)
        if record.input_tokens is not None:
            self._record_tokens(model, record)
        if record.first_event_s is not None:
            self.values.histogram(registry.FIRST_TOKEN, model).observe(record.first_event_s)
        if record.sent_at:
            self._record_gaps(model, record.sent_at, record)

    def _record_tokens(self, model: str, record: AccessRecord) -> None:
        tokens = self._tokens.get(model)
        if tokens is None:
            tokens = self._tokens[model] = _TokenSeries(*[self.values.number(metric, model) for metric in _TOKENS])
        tokens.input.value += record.input_tokens or 0
        tokens.output.value += record.output_tokens or 0
        tokens.cached.value += record.cached_tokens or 0
        tokens.reasoning.value += record.reasoning_tokens or 0

    def _record_gaps(self, model: str, sent_at: list[float], record: AccessRecord) -> None:
        """Count the times between two tokens, or between two reads."""
        gaps = self.values.histogram(registry.INTER_TOKEN, model)
        if record.upstream in self._local_upstreams and record.output_tokens:
            # what is sent after the last token is none, and tokens that came together have no time between them
            sent_at = sent_at[: record.output_tokens]
            gaps.observe(0.0, times=record.output_tokens - len(sent_at))
        gaps.observe_all(map(sub, sent_at[1:], sent_at))


def _terminal_status(record: AccessRecord) -> str | None:
    """How a response ended, also one that failed before its first event. None if it goes on."""
    if record.response_status in ENDED:
        return record.response_status
    return None if record.failure is None else "failed"
