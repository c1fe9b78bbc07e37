"""Live options: the options of all requests, which are set while the server runs, in all workers.

They are a JSON object whose names are those of the grammar. Each change has a version, and the newest one is valid: a
worker sends it to its siblings, and a worker that has just started asks them for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from penstock.dialects.synthetic.options import Mistake, SyntheticOptions
from penstock.engine.loops import LoopLock
from penstock.errors import ApiError, invalid, quoted, unavailable
from penstock.ports import Siblings

PATH = "/admin/synthetic"
"""The path of the route, and of the questions of siblings."""
_BODY_BYTES_MAX = 16 * 2**10
_AGAIN_S = 1.0

Given: TypeAlias = dict[str, str | int | float]
"""Options by name, as they were sent."""
Parse: TypeAlias = Callable[[str], SyntheticOptions]
"""The options of a text. Raises `Mistake`."""


class Live(msgspec.Struct, frozen=True):
    """The options that were set last."""

    version: int = 0
    """The time of the change, in nanoseconds. A later change has a greater version in any case."""
    given: Given = {}


_decode = msgspec.json.Decoder(Live).decode
_decode_values = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_value = msgspec.json.Decoder(str | int | float).decode
_encode = msgspec.json.Encoder().encode


class LiveOptions:
    """The options of this worker and its siblings. `apply` gets each change."""

    def __init__(self, parse: Parse, apply: Callable[[SyntheticOptions], None], siblings: Siblings) -> None:
        self._parse = parse
        self._apply = apply
        self._siblings = siblings
        self._live = Live()
        self._joining = LoopLock()
        self.has_joined = False
        """Whether the siblings were asked for their options."""
        siblings.answer(PATH, self._answer)

    @property
    def body(self) -> bytes:
        """The options as a JSON object."""
        return _encode(self._live.given)

    async def join(self) -> None:
        """Ask the siblings, which may run since long before, for their options."""
        async with self._joining:
            if not self.has_joined:
                for reply in await self._siblings.ask(PATH):
                    self._answer(reply.body or b"")
                self.has_joined = True

    async def set(self, body: bytes) -> None:
        """Set the options in all workers. Raises `ApiError`: 400 for wrong ones, and 503 if a worker did not answer."""
        given = read_given(body, self._parse)
        live = Live(max(self._live.version + 1, time.time_ns()), given)
        self._adopt(live)
        replies = await self._siblings.ask(PATH, _encode(live))
        # spec: synthetic-live
        if silent := [reply.worker for reply in replies if reply.body is None]:
            message = f"These workers did not answer, and may have other options: {', '.join(silent)}."
            raise unavailable(message, _AGAIN_S)

    def _answer(self, body: bytes) -> bytes:
        """Adopt the options of a sibling, if it has sent any, and return the own options."""
        try:
            if body:
                self._adopt(_decode(body))
        except (msgspec.MsgspecError, Mistake):
            """A worker of another release, whose options are not known here."""
        return _encode(self._live)

    def _adopt(self, live: Live) -> None:
        if live.version > self._live.version:
            options = self._parse(_as_text(live.given))
            self._live = live
            self._apply(options)


def read_given(body: bytes, parse: Parse) -> Given:
    """The options of a body. Raises `ApiError` 400, which names the option."""
    if len(body) > _BODY_BYTES_MAX:
        raise invalid(f"The options have more than {_BODY_BYTES_MAX} bytes.")
    try:
        values = _decode_values(body)
        names = json.loads(body, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    except (msgspec.DecodeError, ValueError) as error:
        raise invalid(f"Expected a JSON object with texts and numbers: {error}.", code="invalid_type") from None
    if len(names) > len(values):
        twice = next(name for name in values if names.count(name) > 1)
        raise invalid(f"The option {quoted(twice)} is there twice.", twice, "invalid_value")
    given = {name: _value(name, value) for name, value in values.items()}
    for name, value in given.items():
        _check(name, value, parse)
    return given


def _value(name: str, value: msgspec.Raw) -> str | int | float:
    try:
        given: str | int | float = _decode_value(value)
    except msgspec.ValidationError as error:
        raise invalid(f"Invalid type for {quoted(name)}: {error}.", name, "invalid_type") from None
    return given


def _check(name: str, value: str | int | float, parse: Parse) -> None:
    try:
        if "&" in f"{name}{value}" or "=" in name:
            raise Mistake(0, f"There is no option or value with '&' or '=', as {quoted(f'{name}={value}')}.")
        parse(_as_text({name: value}))
    except Mistake as mistake:
        raise _wrong(name, mistake) from None


def _wrong(name: str, mistake: Mistake) -> ApiError:
    about = mistake.message.removeprefix(f"'{name}': ")
    return invalid(f"Invalid value for {quoted(name)}: {about}", name, "invalid_value")


def _as_text(given: Given) -> str:
    return "&".join([f"{name}={value}" for name, value in given.items()])
