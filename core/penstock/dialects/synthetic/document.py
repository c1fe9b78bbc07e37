"""The document: the JSON of one schema, and the schemas that its references point to.

It knows JSON pointers (RFC 6901), and follows one without decoding more than the keys along its path. It never makes
a value.
"""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from penstock.errors import ApiError, invalid

from .schema import AnySchema, NoValue, Schema
from .work_budget import WorkBudget

SCHEMA_WORK = 10
"""The cost of reading one schema, in units of work."""
WORK_BYTES = 20
"""How many bytes of JSON are read for one unit of work."""

_decode_schema = msgspec.json.Decoder(Schema).decode
_decode_any_schema = msgspec.json.Decoder(AnySchema).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Document:
    """One schema. `param` names it in errors, `budget` is what the turn may still cost. Raises `ApiError`."""

    def __init__(self, raw: msgspec.Raw, param: str, budget: WorkBudget) -> None:
        self.param = param
        self.budget = budget
        self._raw = raw
        self._targets: dict[str, AnySchema] = {}
        try:
            self._spend(raw)
            self.root = _decode_schema(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self.unusable(f"{error}.") from None
        except NoValue as reason:
            raise self.unusable(str(reason)) from None

    def unusable(self, reason: str) -> ApiError:
        """The error for a schema that no value can be made for."""
        return invalid(f"No value can be made for this JSON schema: {reason}", self.param)

    def target(self, ref: str) -> AnySchema:
        """The schema that a `$ref` points to, within the document. Raises `ApiError` where there is none."""
        if ref not in self._targets:
            try:
                node = self._node(ref)
                self._spend(node)
                self._targets[ref] = _decode_any_schema(node)
            except (LookupError, ValueError, msgspec.DecodeError):
                raise self.unusable(f"the $ref '{ref}' points to no schema within it.") from None
        return self._targets[ref]

    def _node(self, ref: str) -> msgspec.Raw:
        """The JSON at a pointer such as `#/$defs/Node`."""
        start, *steps = ref.split("/")
        if start != "#":
            raise LookupError(ref)
        node = self._raw
        for step in steps:
            self.budget.spend(1 + memoryview(node).nbytes // WORK_BYTES)
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            is_list = bytes(memoryview(node)[:1]) == b"["
            node = _decode_entries(node)[int(name)] if is_list else _decode_fields(node)[name]
        return node

    def _spend(self, node: msgspec.Raw) -> None:
        """Spend the cost of reading a schema, and the schemas in it."""
        text = bytes(node)
        self.budget.spend(SCHEMA_WORK * text.count(b"{") + len(text) // WORK_BYTES)
