"""The document: one schema as it came, and what its references point at.

It knows JSON pointers, and follows one through JSON that is undecoded but for the keys on the way. It never makes a
value.
"""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from penstock.errors import ApiError, invalid

from .schema import AnySchema, NoValue, Schema
from .work import Work

SCHEMA_WORK = 10
"""What reading one schema costs."""
WORK_BYTES = 20
"""So many bytes of JSON are read for one unit of work."""

_decode_schema = msgspec.json.Decoder(Schema).decode
_decode_any_schema = msgspec.json.Decoder(AnySchema).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Document:
    """One schema; `param` names it in errors, `work` is what its turn may still cost. Raises `ApiError`."""

    def __init__(self, raw: msgspec.Raw, param: str, work: Work) -> None:
        self.param = param
        self.work = work
        self._raw = raw
        self._targets: dict[str, AnySchema] = {}
        try:
            self._spend(raw)
            self.root = _decode_schema(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self.unusable(f"{error}.") from None
        except NoValue as why:
            raise self.unusable(str(why)) from None

    def unusable(self, why: str) -> ApiError:
        """The error of a schema for which no value can be made."""
        return invalid(f"No value can be made for this JSON schema: {why}", self.param)

    def target(self, ref: str) -> AnySchema:
        """What a `$ref` points at, within the document."""
        if ref not in self._targets:
            try:
                node = self._node(ref)
                self._spend(node)
                self._targets[ref] = _decode_any_schema(node)
            except (LookupError, ValueError, msgspec.DecodeError):
                raise self.unusable(f"the $ref '{ref}' points at no schema within it.") from None
        return self._targets[ref]

    def _node(self, ref: str) -> msgspec.Raw:
        """The JSON at a pointer such as `#/$defs/Node`."""
        start, *steps = ref.split("/")
        if start != "#":
            raise LookupError(ref)
        node = self._raw
        for step in steps:
            self.work.spend(1 + memoryview(node).nbytes // WORK_BYTES)
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            is_list = bytes(memoryview(node)[:1]) == b"["
            node = _decode_entries(node)[int(name)] if is_list else _decode_fields(node)[name]
        return node

    def _spend(self, node: msgspec.Raw) -> None:
        """What reading a schema costs, with those that it holds."""
        text = bytes(node)
        self.work.spend(SCHEMA_WORK * text.count(b"{") + len(text) // WORK_BYTES)
