"""The structs of the wire format as JSON Schemas, in the dialect of OpenAPI 3.1 (2020-12).

It knows msgspec's schema of a struct, and where clients may send more or less: unknown keys and types, and items in
short forms. It is pure, and repeats nothing that a struct defines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from penstock import wire
from penstock.wire import UNKNOWN, UNSET

Schema: TypeAlias = dict[str, Any]
"""A JSON schema, or a part of one. A schema may have any keywords, so it is no struct."""

_REF = "#/components/schemas/{name}"

UNIONS: dict[str, Any] = {
    "Tool": wire.Tool,
    "ToolChoiceObject": wire.ToolChoiceObject,
    "InputItem": wire.InputItem,
    "OutputItem": wire.OutputItem,
    "ContentPart": wire.ContentPart,
    "OutputPart": wire.OutputPart,
    "StreamEvent": wire.StreamEvent,
}
"""Unions that are components of the document."""


class Schemas(NamedTuple):
    """The schema of each type, and the components that these refer to, by name."""

    roots: dict[Any, Schema]
    components: dict[str, Schema]


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": _REF.format(name=name)}


_UNDECODED: dict[str, dict[str, Schema]] = {
    "FunctionTool": {"parameters": {"type": ["object", "null"], "default": None}},
    "JsonSchemaFormat": {"schema": {"type": "object"}},
    "CompactedResponse": {"output": {"type": "array", "items": ref("OutputItem")}},
    "ItemList": {"data": {"type": "array", "items": ref("InputItem")}},
}
"""The schemas of fields that their structs leave undecoded."""


def make_schemas(bodies: Iterable[Any], others: Iterable[Any]) -> Schemas:
    """The schemas of the bodies that clients send, and of other types: replies and parameters."""
    kinds = list(dict.fromkeys([*bodies, *others]))
    schemas, components = msgspec.json.schema_components(
        [*kinds, *UNIONS.values()], schema_hook=_unknown_fields, ref_template=_REF
    )
    roots = dict(zip([*kinds, *UNIONS], map(_opened, schemas), strict=True))
    components = {name: _opened(schema) for name, schema in components.items()}
    unions = {name: roots.pop(name) for name in UNIONS}
    for name, union in unions.items():
        components = _replaced(components, union, ref(name))
        roots = {kind: _replaced(schema, union, ref(name)) for kind, schema in roots.items()}
    components |= unions
    for name, fields in _UNDECODED.items():
        components[name]["properties"] |= fields
    sent = _reached([roots[body] for body in bodies], components)
    for name in components.keys() - sent - UNIONS.keys():
        components[name] = _complete(components[name], getattr(wire, name))
    _add_short_forms(components, _names([roots[body] for body in bodies]))
    return Schemas(roots, components)


def _unknown_fields(_: type) -> Schema:
    """The schema of the field `unknown` of structs, which is no key of the JSON. `_opened` removes it."""
    return {"type": "object"}


def _opened(node: Any) -> Any:
    """A schema without the key of unknown fields, which allows unknown keys and types."""
    if isinstance(node, list):
        return [_opened(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    opened = {key: _opened(value) for key, value in node.items()}
    if opened.get("type") == "object" and "properties" in opened:
        return _open_object(opened)
    if UNKNOWN in opened.get("discriminator", {}).get("mapping", {}):
        return _open_union(opened)
    return opened


def _open_object(schema: Schema) -> Schema:
    properties = {name: value for name, value in schema["properties"].items() if name != UNKNOWN}
    if properties.get("type") == {"enum": [UNKNOWN]}:
        properties["type"] = {"type": "string"}
    required = [name for name in schema["required"] if name != UNKNOWN]
    others = {key: value for key, value in schema.items() if key != "additionalProperties"}
    return others | {"properties": properties, "required": required}


def _open_union(schema: Schema) -> Schema:
    """A union whose unknown member is any type that no other member has. A discriminator could not express that."""
    mapping = schema["discriminator"]["mapping"]
    known = [kind for kind in mapping if kind != UNKNOWN]
    unknown = {"$ref": mapping[UNKNOWN]}
    restricted = {"allOf": [unknown, {"properties": {"type": {"not": {"enum": known}}}}]}
    return {"anyOf": [restricted if option == unknown else option for option in schema["anyOf"]]}


def _replaced(node: Any, old: Schema, new: Schema) -> Any:
    """The schema with each part that equals `old` replaced by `new`."""
    if node == old:
        return new
    if isinstance(node, dict):
        return {key: _replaced(value, old, new) for key, value in node.items()}
    return [_replaced(entry, old, new) for entry in node] if isinstance(node, list) else node


def _complete(schema: Schema, struct: Any) -> Schema:
    """The schema of a struct that clients only get: all keys are required, but those that can be unset."""
    always = [field.encode_name for field in msgspec.structs.fields(struct) if field.default is not UNSET]
    required = [key for key in (struct.__struct_config__.tag_field, *always) if key not in (None, UNKNOWN)]
    properties = {
        name: {key: value for key, value in property_.items() if key != "default"}
        for name, property_ in schema["properties"].items()
    }
    return schema | {"properties": properties, "required": required}


def _add_short_forms(components: dict[str, Schema], bodies: Iterable[str]) -> None:
    """Allow items without a `type` in bodies, as `penstock.engine.request.request_body` does."""
    components["EasyInputMessage"] = _untyped(components["Message"])
    components["EasyItemReference"] = _untyped(components["ItemReference"]) | {"not": {"required": ["role"]}}
    forms = [ref("InputItem"), ref("EasyInputMessage"), ref("EasyItemReference")]
    components["EasyInputItem"] = {"title": "EasyInputItem", "anyOf": forms}
    for name in bodies:
        components[name] = _replaced(components[name], ref("InputItem"), ref("EasyInputItem"))


def _untyped(schema: Schema) -> Schema:
    required = [name for name in schema["required"] if name != "type"]
    properties = schema["properties"] | {"type": {"type": "null"}}
    others = {key: value for key, value in schema.items() if key != "title"}
    return others | {"properties": properties, "required": required}


def _reached(schemas: list[Schema], components: dict[str, Schema]) -> set[str]:
    """The components that these schemas refer to, directly and through other components."""
    reached: set[str] = set()
    new = set(_names(schemas))
    while new:
        reached |= new
        new = set(_names([components[name] for name in new])) - reached
    return reached


def _names(node: Any) -> Iterator[str]:
    """The names of the components that a schema refers to."""
    if isinstance(node, list):
        for entry in node:
            yield from _names(entry)
    elif isinstance(node, dict):
        if isinstance(name := node.get("$ref"), str):
            yield name.rpartition("/")[2]
        for value in node.values():
            yield from _names(value)
