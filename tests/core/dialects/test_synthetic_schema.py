"""What the synthetic model makes from a JSON schema satisfies it, and making it always ends."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from penstock.dialects.synthetic.document import Document
from penstock.dialects.synthetic.seeded_random import CALLS, SeededRandom, seed
from penstock.dialects.synthetic.strings import WordSource
from penstock.dialects.synthetic.values import make_value
from penstock.dialects.synthetic.work_budget import WorkBudget
from penstock.errors import ApiError

pytestmark = pytest.mark.slow

Json = dict[str, Any]

WORDS = ["Paris", "größer", "parser.py", "7"]
NODE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
    "required": ["name", "next"],
    "additionalProperties": False,
}
TREE = {
    "type": "object",
    "properties": {"leaf": {"type": "boolean"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    "required": ["children"],
}
DEFINITIONS = {"Node": NODE, "Tree": TREE, "Size": {"enum": ["S", "M", "L"]}}


def made(schema: Any, key: str = "any") -> Any:
    """A value, by way of its JSON."""
    raw = msgspec.Raw(json.dumps(schema).encode())
    random = SeededRandom(seed(key), CALLS)
    value = make_value(Document(raw, "param", WorkBudget()), random, WordSource(WORDS, 3, random))
    return json.loads(msgspec.json.encode(value))


def check(schema: Json, value: Any) -> None:
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(value)


# --- any schema that can be satisfied is ---


def _ordered(bounds: tuple[int, int], low: str, high: str) -> Json:
    return {low: min(bounds), high: max(bounds)}


def pairs(top: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, top), st.integers(0, top))


NAMES = st.sampled_from(["a", "b", "city", "größe", "a b"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["red", "grün", ""])

strings = st.one_of(
    pairs(30).map(lambda bounds: {"type": "string"} | _ordered(bounds, "minLength", "maxLength")),
    st.sampled_from(
        [
            "date",
            "date-time",
            "email",
            "uuid",
            "ipv4",
            "ipv6",
            "duration",
            "regex",
            "time",
            "uri",
            "json-pointer",
            "hostname",
            "?",
        ]
    ).map(lambda form: {"type": "string", "format": form}),
    st.sampled_from([r"^[A-Z]{2,3}-\d{4}$", r"^(red|green)( \w+)*$", r"\.py$", r"^[^\s@]+@[a-z]+\.(com|org)$"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
)
integers = st.tuples(st.integers(-(10**12), 10**12), st.integers(7, 10**6), st.integers(1, 7)).map(
    lambda it: {"type": "integer", "minimum": it[0], "exclusiveMaximum": it[0] + it[1] + 1, "multipleOf": it[2]}
)
numbers = st.tuples(st.floats(-1e6, 1e6), st.floats(0.01, 1e6)).map(
    lambda it: {"type": "number", "exclusiveMinimum": it[0], "maximum": it[0] + it[1]}
)
one_bound = st.tuples(
    st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    st.integers(-(10**30), 10**30) | st.floats(-1e300, 1e300),
    st.sampled_from(["integer", "number"]),
).map(lambda it: {"type": it[2], it[0]: it[1]})
steps = st.sampled_from([0.1, 0.01, 0.25, 3, 1e-3]).map(lambda step: {"type": "number", "multipleOf": step})
fixed = st.lists(SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values}) | SCALARS.map(
    lambda value: {"const": value}
)
mixed = st.lists(
    st.sampled_from(["string", "integer", "null", "boolean", "object", "array", "number"]), min_size=1, unique=True
).map(lambda names: {"type": names})
references = st.sampled_from([f"#/$defs/{name}" for name in DEFINITIONS]).map(lambda ref: {"$ref": ref})
leaves = st.one_of(strings, integers, numbers, one_bound, steps, fixed, mixed, references, st.just({}), st.just(True))


def _object(properties: dict[str, Any], required: set[str], more: Any, least: int) -> Json:
    made: Json = {"type": "object", "properties": properties}
    made["required"] = sorted(required & properties.keys())
    if more is not None:
        made["additionalProperties"] = more
    if more is not False:
        made["minProperties"] = least
    return made


def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.builds(
        _object,
        st.dictionaries(NAMES, inner, max_size=4),
        st.sets(NAMES),
        st.sampled_from([None, True, False]) | inner,
        st.integers(0, 3),
    )
    return st.one_of(
        objects,
        st.tuples(inner, pairs(4)).map(
            lambda it: {"type": "array", "items": it[0]} | _ordered(it[1], "minItems", "maxItems")
        ),
        st.lists(inner, max_size=3).map(lambda parts: {"type": "array", "prefixItems": parts, "items": False}),
        strings.map(lambda _: {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 4}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts, "description": "one of these"}),
        st.tuples(objects, objects).map(_apart),
    )


def _apart(both: tuple[Json, Json]) -> Json:
    """Both at once; by other names, so that they can be."""
    left, right = (
        {"type": "object", "properties": {f"{mark}{name}": each for name, each in part["properties"].items()}}
        | {"required": [f"{mark}{name}" for name in part["required"]]}
        for mark, part in zip("lr", both, strict=True)
    )
    return left | {"allOf": [right, {"minProperties": 1}]}


schemas = st.recursive(leaves, deeper, max_leaves=12)


@given(schemas, st.integers(0, 1000))
def test_a_value_satisfies_its_schema(schema: Any, key: int) -> None:
    whole: Json = {"$defs": DEFINITIONS, "allOf": [schema]}
    check(whole, made(whole, str(key)))


@given(schemas)
def test_the_same_chance_makes_the_same_value(schema: Any) -> None:
    whole = {"$defs": DEFINITIONS, "allOf": [schema]}
    assert made(whole, "one") == made(whole, "one")


# --- one by one ---


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 200},
        {"type": "string", "maxLength": 0},
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 12, "maxLength": 12},
        {"type": "string", "enum": ["a", 1, None]},
        {"type": ["null", "integer"], "minimum": 5},
        {"type": "integer", "minimum": 0.5, "maximum": 1.5},
        {"type": "integer", "multipleOf": 0.5, "minimum": 10, "maximum": 11},
        {"type": "number", "minimum": 1.7e308},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e-9},
        {"type": "number", "minimum": 1e20, "multipleOf": 0.5},
        {"allOf": [{"type": "integer", "multipleOf": 4}, {"minimum": 1, "multipleOf": 6}]},
        {"allOf": [{"prefixItems": [{"type": "integer"}], "type": "array"}, {"items": {"minimum": 3}, "minItems": 2}]},
        {"type": "number", "minimum": 0.1, "maximum": 0.1},
        {"allOf": [{"type": "number"}, {"type": "integer", "minimum": 3}, {"maximum": 3}]},
        {"allOf": [{"enum": [1, 2, 3]}, {"enum": [3, 4]}]},
        {"allOf": [{"properties": {"a": {"minimum": 5}}}, {"properties": {"a": {"maximum": 5}}, "required": ["a"]}]},
        {"anyOf": [False, {"const": 1}]},
        {"oneOf": [{"properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in "ab"]},
        {"type": "object", "required": ["undeclared"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "minProperties": 3, "propertyNames": {"pattern": "^[a-z]{3}$"}},
        {"type": "object", "minProperties": 2, "maxProperties": 2, "properties": {"a": {}, "b": {}, "c": {}}},
        {"type": "array", "items": {"enum": list(range(20))}, "uniqueItems": True, "minItems": 20},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "maxItems": 2},
        {"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 4},
        {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"const": 7}}},
        {"$ref": "#/prefixItems/1", "prefixItems": [{}, {"type": "array", "maxItems": 0}]},
        {"$ref": "#/$defs/Node", "$defs": DEFINITIONS, "description": "a list"},
        {"type": "object", "properties": {"self": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"]},
        {"allOf": [{"anyOf": [{"minimum": low} for low in range(64)]} for _ in range(9)]},
    ],
    ids=json.dumps,
)
def test_a_keyword_is_obeyed(schema: Json) -> None:
    for key in range(20):
        check(schema, made(schema, str(key)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "integer", "nullable": True, "enum": [None]}, {"const": None}),
        ({"items": [{"const": 1}, {"const": 2}], "additionalItems": False}, {"const": [1, 2]}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True, "maximum": 2}, {"const": 2}),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": True, "minimum": 0}, {"const": 0}),
    ],
)
def test_older_forms_are_read(old: Json, new: Json) -> None:
    check(new, made(old))


def test_a_way_to_itself_is_no_way() -> None:
    assert made({"anyOf": [{"$ref": "#"}, {"const": "an end"}]}) == "an end"


def test_optional_properties_come_and_go() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert {"a" in made(schema, str(key)) for key in range(30)} == {True, False}


def test_null_is_seldom() -> None:
    values = [made({"type": ["string", "null"]}, str(key)) for key in range(200)]
    assert 0 < values.count(None) < 60


def test_strings_are_the_users_words() -> None:
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 2}
    assert " ".join(made(schema)).startswith("Paris")


def test_a_pattern_that_cannot_be_read_is_passed_over() -> None:
    assert isinstance(made({"type": "string", "pattern": r"^(?=.*\d)(a)\1$"}), str)


# --- no end, no value ---


def nested(levels: int) -> Json:
    schema: Json = {"type": "integer"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"in": schema}, "required": ["in"]}
    return schema


def doubling(levels: int) -> Json:
    """Small to write, and 2**levels values large."""
    defs: Json = {f"d{levels}": {"type": "null"}}
    for level in range(levels):
        both = {side: {"$ref": f"#/$defs/d{level + 1}"} for side in "lr"}
        defs[f"d{level}"] = {"type": "object", "properties": both, "required": ["l", "r"]}
    return {"$ref": "#/$defs/d0", "$defs": defs}


def test_depth_that_must_be_is_made() -> None:
    check(nested(20), made(nested(20)))


@pytest.mark.parametrize(
    "schema",
    [
        nested(40),
        doubling(20),
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}]},
        {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "minLength": 2, "maxLength": 1},
        {"type": "integer", "multipleOf": 0},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"type": "number", "exclusiveMinimum": 1, "maximum": 1},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 3},
        {"type": "array", "items": False, "minItems": 1},
        {"type": "array", "minItems": 2, "maxItems": 1},
        {"type": "object", "minProperties": 1, "additionalProperties": False},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"type": "string", "enum": [1, 2]},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": []},
        {"type": []},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs"},
        {"$ref": "#/$defs/a/b"},
        {"properties": {"a": 1}},
        {"allOf": [{"anyOf": [{"minimum": low} for low in range(99)]} for _ in range(999)]},
        3,
        None,
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_what_cannot_be_made_is_the_clients_error(schema: Any) -> None:
    with pytest.raises(ApiError, match="No value can be made") as raised:
        made(schema)
    assert raised.value.status == 400
    assert raised.value.param == "param"


def many(item: Json, count: int, **more: Any) -> Json:
    return {"type": "array", "minItems": count, "items": item, **more}


def escaped(name: str, number: int) -> str:
    """A part of a pointer, in one of its many forms."""
    return "".join(f"%{ord(letter):02x}" if number >> index & 1 else letter for index, letter in enumerate(name))


NAMES_OF_MANY = [f"p{number}" for number in range(5_000)]
MANY_PROPERTIES = {name: {"type": "string"} for name in NAMES_OF_MANY}
INVOLVED: dict[str, Json] = {
    "a long pattern for many strings": many({"type": "string", "pattern": "[a-z]" * 190}, 5_000),
    "repetitions for many strings": many({"type": "string", "pattern": "([a-z]?){100}", "minLength": 1_000}, 100),
    "many ways for many values": many({"anyOf": [{"minLength": low} for low in range(64)]}, 5_000),
    "many merged ways": many(
        {"allOf": [{"anyOf": [{"minimum": low} for low in range(64)]}, {"anyOf": [{"maximum": 99}] * 64}]}, 5_000
    ),
    "a property more in each of many": {"allOf": [{"properties": {name: {}}} for name in NAMES_OF_MANY]},
    "references in many forms to much": {
        "$defs": {"definition": {"properties": MANY_PROPERTIES}},
        "anyOf": [{"$ref": f"#/$defs/{escaped('definition', number)}"} for number in range(999)],
    },
    "objects and objects in them": {
        "$defs": {
            "a": {
                "properties": {name: {"$ref": "#/$defs/a"} for name in "abcdefgh"},
                "required": [*"abc"],
                "anyOf": [{"minProperties": 1}, {"minProperties": 2}],
            }
        },
        "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}],
    },
    "many schemas": {"anyOf": [{}] * 50_000},
    "many numbers": many({"type": "number", "multipleOf": 0.3}, 9_000),
}


@pytest.mark.parametrize("schema", INVOLVED.values(), ids=INVOLVED)
def test_work_without_end_is_refused(schema: Json) -> None:
    with pytest.raises(ApiError, match="it is too involved") as raised:
        made(schema)
    assert (raised.value.status, raised.value.param) == (400, "param")


LARGE: dict[str, Json] = {
    "two long enumerations": {"allOf": [{"enum": [*range(9_000)]}, {"enum": [*range(8_999, 18_000)]}]},
    "equal values written in two ways": {"allOf": [{"enum": [1, {"a": 1, "b": 2}]}, {"enum": [1.0, {"b": 2, "a": 1}]}]},
    "one type many times": {"type": ["object"] * 9_000, "required": NAMES_OF_MANY},
    "many properties": {"type": "object", "properties": MANY_PROPERTIES, "required": NAMES_OF_MANY},
    "one property required many times": {"type": "object", "required": ["a"] * 9_000},
    "a long string": {"type": "string", "minLength": 100_000},
}


@pytest.mark.parametrize("schema", LARGE.values(), ids=LARGE)
def test_what_is_large_is_no_work(schema: Json) -> None:
    check(schema, made(schema))


ODD: dict[str, Json] = {
    "half a character": {"type": "string", "pattern": r"\ud800"},
    "half a character in a class": {"type": "string", "pattern": r"[\ud800]"},
    "multiples of many primes": {"allOf": [{"type": "integer", "multipleOf": 10**17 + 2 * n + 1} for n in range(999)]},
    "bounds beyond each other": {"type": "number", "minimum": 10**400, "exclusiveMaximum": 1e-300},
    "a bound of thousands of digits": {"type": "integer", "minimum": 10**4_200},
}


@pytest.mark.parametrize("schema", ODD.values(), ids=ODD)
def test_what_is_odd_makes_a_value_or_an_error(schema: Json) -> None:
    try:
        made(schema)
    except ApiError as error:
        assert error.status == 400


def test_a_pair_in_a_pattern_is_one_character() -> None:
    assert made({"type": "string", "pattern": r"^\ud83d\ude00$"}) == "\U0001f600"


WORDS_OF_SCHEMAS = (
    "type enum const properties required additionalProperties items prefixItems minItems maxItems uniqueItems anyOf"
    " oneOf allOf $ref minLength maxLength pattern format minimum maximum exclusiveMinimum multipleOf nullable"
    " minProperties maxProperties propertyNames additionalItems"
).split()
rubbish = st.recursive(
    SCALARS
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["string", "integer", "object", "array", "#", "#/allOf/0", "^a+$", "date"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS_OF_SCHEMAS), inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=2)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(WORDS_OF_SCHEMAS), rubbish, max_size=5))
def test_rubbish_makes_a_value_or_an_error(schema: Json) -> None:
    try:
        made(schema)
    except ApiError as error:
        assert error.status == 400
