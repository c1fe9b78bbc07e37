"""The synthetic model as an upstream: it reads the options of a request, numbers the request and makes its answer.

It knows which options count: those in the name of the model, then those of the header, then the live ones. A request
without options takes the shortest way. What an option does to the answer is in `penstock.dialects.synthetic`; times and
faults are added here, around the deltas of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from penstock.dialects import synthetic
from penstock.dialects.synthetic import Pieces
from penstock.dialects.synthetic.batching import LoadFacts
from penstock.dialects.synthetic.draws import FIRST, Draws
from penstock.dialects.synthetic.options import DEFAULTS, Mistake, QuantileTable, SyntheticOptions
from penstock.dialects.synthetic.wire_faults import WireFaults, read_wire_faults
from penstock.engine.offload import LARGE_BYTES, offload
from penstock.engine.request.unknown_parameters import Policy
from penstock.engine.upstreams.local import LocalDeltas, LocalUpstream, WholeDeltas
from penstock.errors import invalid, shortened
from penstock.limits import Limits
from penstock.ports import Deltas, HttpReply, NoSiblings, PassthroughRequest, Siblings, Turn

from .errors import asked_error
from .event_formats import failure
from .faulty_chat import FaultyReply
from .header import HEADER
from .live_options import LiveOptions
from .load import Engines
from .pacing import PacedDeltas, PacedReply
from .request_counts import RequestCounts
from .single_deltas import SingleDeltas

if TYPE_CHECKING:
    from .chat_routes import ChatRoutes

_CACHED_MAX = 1_000
"""The options of so many texts are cached."""
_ECHOED_CHARS_MAX = 500
"""How much of a wrong text a message contains."""
_GENERATING = ("/chat/completions", "/completions")
"""The routes of chat clients that open turns."""
_LIMITS = Limits()
_ALONE = NoSiblings()
_NO_PROFILES: Mapping[str, str] = {}
_NO_TABLES: Mapping[str, QuantileTable] = {}


class SyntheticUpstream(LocalUpstream):
    """The synthetic model. `profiles` has options by name, and `tables` has measured distributions by name."""

    def __init__(
        self,
        limits: Limits = _LIMITS,
        profiles: Mapping[str, str] = _NO_PROFILES,
        tables: Mapping[str, QuantileTable] = _NO_TABLES,
        *,
        unknown_parameters: Policy = "ignore",
        siblings: Siblings = _ALONE,
    ) -> None:
        super().__init__(synthetic.generate, synthetic.MODELS, synthetic.count_input)
        self._tokens_max = limits.synthetic_tokens_max
        self._profiles = profiles
        self._tables = tables
        self._limits = limits
        self._unknown_parameters = unknown_parameters
        self._base = DEFAULTS
        self.live = LiveOptions(self._parse_live, self._set_base, siblings)
        self._counts = RequestCounts()
        self._replies = RequestCounts()
        self._engines = Engines()
        self._options_of = lru_cache(_CACHED_MAX)(self._read)

    def check_options(self, model: str) -> None:
        """Check the options in the name of a model. Raises `ApiError` 400."""
        self._options_of(model, "")

    def options(self, model: str, header: str) -> SyntheticOptions:
        """The options of a request, from the name of its model and the header. Raises `ApiError` 400."""
        if "?" not in model and not header:
            return self._base
        return self._options_of(model, header)

    async def open(self, turn: Turn) -> Deltas:
        """Begin the turn. Raises `ApiError` for what the model cannot do, and where the options ask for an error."""
        if not self.live.has_joined:
            await self.live.join()
        options = self.options(turn.model, turn.synthetic)
        if options is DEFAULTS:  # nearly always
            return await self._at_once(turn, options, FIRST)
        draws = await self._admit(turn.model, options, stream=turn.stream)
        # The options do not change the text, so the answer does not depend on the name that has them.
        turn = replace(turn, model=turn.model.partition("?")[0])
        deltas = await (self._paced if options.is_timed else self._at_once)(turn, options, draws)
        return deltas if options.fail_at is None else SingleDeltas(deltas)

    async def _at_once(self, turn: Turn, options: SyntheticOptions, draws: Draws) -> Deltas:
        """The answer without times."""
        parts = (turn, options, draws, self._tokens_max)
        generate = synthetic.generate
        batches = generate(*parts) if turn.size < LARGE_BYTES else await offload(turn.size, generate, *parts)
        return LocalDeltas(batches) if turn.stream else WholeDeltas(next(batches))

    async def _admit(self, model: str, options: SyntheticOptions, *, stream: bool) -> Draws:
        """Number the request, and wait as long as the head of its reply takes. Raises the error that is asked for."""
        counts = self._counts.of(model)
        draws = Draws(options.seed or 0, self._counts.number(model))
        wait_s = draws.draw("head_ms", options.head_ms) / 1000
        if options.stall_at is not None and not stream:  # a body stalls as a whole
            wait_s += draws.draw("stall_ms", options.stall_ms) / 1000
        if wait_s:
            await asyncio.sleep(wait_s)
        if error := asked_error(options, draws, counts):
            raise error
        if not stream and (options.fail_at, options.error_at) != (None, None):
            raise failure()
        return draws

    def wire_faults(self, asked: Turn | PassthroughRequest) -> WireFaults | None:
        """The faults of a reply. They are drawn by its number among the replies with this model name."""
        options = self.options(asked.model, asked.synthetic)
        if options is DEFAULTS:  # nearly always
            return None
        return read_wire_faults(options, Draws(options.seed or 0, self._replies.number(asked.model)))

    async def _paced(self, turn: Turn, options: SyntheticOptions, draws: Draws) -> Deltas:
        """The answer with its times, which begin now."""
        arrived_s = asyncio.get_running_loop().time()
        answer = await offload(turn.size, synthetic.make_answer, turn, options, draws, self._tokens_max)
        tokens = options.tokens_per_delta if turn.stream else 1
        pace = self._engines.pace(answer, options, draws, arrived_s, tokens)
        return PacedDeltas(Pieces(answer, tokens), pace) if turn.stream else PacedReply(answer, pace)

    def load(self) -> LoadFacts:
        """The load of the engines, of requests whose options limit what an engine has room for."""
        return self._engines.facts()

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """The reply to a client of Chat Completions. Raises `ApiError`, as `open` does."""
        if not self.live.has_joined:
            await self.live.join()
        if request.path not in _GENERATING:
            options = self.options(request.model, request.synthetic)
            if options is not DEFAULTS:
                await self._admit(request.model, options, stream=False)
        reply = await self._chat.relay(request)
        faults = self.wire_faults(request)
        return reply if faults is None else FaultyReply(reply, faults, stream=request.stream)

    @cached_property
    def _chat(self) -> ChatRoutes:
        """The routes of such clients. Most servers have none, and do not load them."""
        from .chat_routes import ChatRoutes

        return ChatRoutes(self, self._limits, self._unknown_parameters)

    async def context_tokens(self, model: str, bearer: object) -> int | None:
        """The size of the context, where the name of the model or the live options have one. Else it has no limit."""
        if not self.live.has_joined:
            await self.live.join()
        return self.options(model, "").context

    def _parse_live(self, text: str) -> SyntheticOptions:
        from penstock.dialects.synthetic.options.grammar import read_options

        return read_options(text, DEFAULTS, self._profiles, self._tables) if text else DEFAULTS

    def _set_base(self, options: SyntheticOptions) -> None:
        """The live options have changed, from which on requests are numbered anew."""
        self._base = options
        self._options_of.cache_clear()
        self._counts.reset()
        self._replies.reset()

    def _read(self, model: str, header: str) -> SyntheticOptions:
        """The options, from the weakest source to the strongest one. Raises `ApiError` 400."""
        options = self._base
        if header:
            text = header if "=" in header else f"profile={header}"
            options = self._parse(HEADER, header, text, options)
        if "?" in model:
            options = self._parse("model", model, model.partition("?")[2], options)
        return options

    def _parse(self, param: str, whole: str, text: str, base: SyntheticOptions) -> SyntheticOptions:
        """The options of a text, which is the end of the parameter's whole value. Raises `ApiError` 400."""
        from penstock.dialects.synthetic.options.grammar import read_options  # only where a request has options

        try:
            return read_options(text, base, self._profiles, self._tables)
        except Mistake as mistake:
            # spec: synthetic-options
            where = f"offset {len(whole) - len(text) + mistake.offset} of '{shortened(whole, _ECHOED_CHARS_MAX)}'"
            raise invalid(
                f"Invalid value for '{param}' at {where}: {mistake.message}", param, "invalid_value"
            ) from None
