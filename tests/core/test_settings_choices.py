"""Settings that have only a few values: a wrong one is answered with all of them, and with the one that was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from penstock.assembly import open_store
from penstock.settings import PRESETS, ConfigFile, Settings, SettingsError, load
from penstock.settings.decode import decode_value
from penstock.settings.sources import Given
from penstock_adapters.drivers import STORES
from requirements import shows


def structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """The struct of a type, and all that are in it."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs(field.type)
    for part in get_args(kind):
        yield from structs(part)


def literals(info: Any) -> list[str]:
    """The values of a type that has only a few, also in a table, a list or a union."""
    match info:
        case msgspec.inspect.BoolType():
            return ["true", "false"]
        case msgspec.inspect.LiteralType():
            return [str(value) for value in info.values]
        case msgspec.inspect.UnionType():
            return [value for each in info.types for value in literals(each)]
        case msgspec.inspect.DictType():
            return literals(info.value_type)
        case msgspec.inspect.ListType():
            return literals(info.item_type)
    return []


CHOICES = {
    f"{struct.__name__}.{field.name}": (field.type, found)
    for struct in {*structs(Settings)}
    for field in msgspec.structs.fields(struct)
    if (found := literals(msgspec.inspect.type_info(field.type)))
}


def wrapped(kind: Any, value: Any) -> Any:
    """The value as TOML would have it for this type."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.DictType):
        return {"x": value}
    return [value] if isinstance(info, msgspec.inspect.ListType) else value


def test_all_such_settings_are_found() -> None:
    assert {"Settings.log_level", "Options.finish_reasons", "Options.inline_think", "Tls.insecure"} <= CHOICES.keys()
    assert len(CHOICES) > 25


@shows("listed-choices")
@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("name", sorted(CHOICES))
def test_a_wrong_value_is_answered_with_all_values(name: str, is_text: bool) -> None:
    kind, choices = CHOICES[name]
    meant = choices[-1]
    given = wrapped(kind, f"{meant}x")
    with pytest.raises(SettingsError) as caught:
        decode_value(kind, Given(given, "here", is_text=is_text and isinstance(given, str)))
    problem = str(caught.value)
    assert all(choice in problem for choice in choices)
    assert problem.endswith(f"; did you mean {meant}?")
    if isinstance(given, dict):
        assert problem.startswith("here.x: ")


@shows("listed-choices")
@pytest.mark.parametrize("wrong", [1, 1.5, [], None])
@pytest.mark.parametrize("name", ["Settings.log_level", "Options.finish_reasons", "Options.inline_think"])
def test_so_is_a_value_of_another_type(name: str, wrong: Any) -> None:
    kind, choices = CHOICES[name]
    with pytest.raises(SettingsError) as caught:
        decode_value(kind, Given(wrapped(kind, wrong), "here"))
    assert all(choice in str(caught.value) for choice in choices)


@shows("listed-choices")
@pytest.mark.parametrize(
    ("url", "scheme", "meant"),
    [
        ("redi://h", "redi://", "redis://"),
        ("sqlit:///x.db", "sqlit://", "sqlite://"),
        ("postgre://me:sk-1@h/db", "postgre://", "postgres://"),
        ("memory:", "memory:", "memory://"),
        ("memory", "memory:", "memory://"),
        ("redis:me:sk-1@h", "redis:", "redis://"),
        ("Redis://h", "Redis://", "redis://"),
    ],
)
def test_a_store_without_a_known_scheme_is_answered_with_all_schemes(url: str, scheme: str, meant: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_store(url, STORES)
    problem = str(caught.value)
    assert problem.startswith(f"store: no store for '{scheme}'; there are dynamodb://, memory://, none://, ")
    assert problem.endswith(f"; did you mean {meant}?")
    assert "sk-1" not in problem


@shows("listed-choices")
@pytest.mark.parametrize(
    ("text", "choices", "meant"),
    [
        ("search = 'searxgn:http://a'", ["brave", "exa", "searxng", "tavily"], "searxng"),
        ("upstream = 'http://a'\npreset = 'lama.cpp'", PRESETS, "llama.cpp"),
        ("[[upstreams]]\nname = 'a'\nurl = 'http://a'\npreset = 'openrooter'", PRESETS, "openrouter"),
    ],
)
def test_so_are_engines_and_presets(text: str, choices: list[str], meant: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, {}, ConfigFile("p.toml", text))
    assert all(choice in str(caught.value) for choice in choices)
    assert f"; did you mean {meant}?" in str(caught.value)
