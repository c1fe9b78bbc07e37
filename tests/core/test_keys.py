"""Keys with names, from the file to the check: who is let in, and whose a response is."""

import asyncio

import pytest

from core.kit import JSON_HEADERS, Scripted, ScriptedReply, ask
from penstock import Drivers, Settings, UpstreamSettings, build
from penstock.settings import ConfigFile, SettingsError, as_toml, load, make_key

BODY = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
KEYS = {"sk-old": "alice", "sk-new": "alice", "sk-bob": "bob", "sk-gone": "bob"}


def settings() -> Settings:
    entries = [as_toml({"keys": [make_key(name, key, "NAME")]}) for key, name in KEYS.items()]
    return load({}, {}, ConfigFile("p.toml", "".join(entries) + "expires = 2001-01-01\n"))


def bearer(key: str) -> dict[str, str]:
    return JSON_HEADERS | {"authorization": f"Bearer {key}"}


def test_a_response_belongs_to_the_name_of_its_key() -> None:
    service = build(settings())

    async def statuses(*keys: str) -> list[int]:
        created = await ask(service, {"input": "Hi"}, headers=bearer("sk-old"))
        path = f"/v1/responses/{created.json()['id']}"
        return [(await ask(service, method="GET", path=path, headers=bearer(key))).status for key in keys]

    got = asyncio.run(statuses("sk-old", "sk-new", "sk-bob", "sk-gone", "sk-none"))
    assert got == [200, 200, 404, 401, 401]


def test_a_named_key_is_not_passed_on() -> None:
    transport = Scripted(ScriptedReply(BODY, headers=JSON_HEADERS))
    there = [UpstreamSettings(name="a", url="http://a")]
    service = build(Settings(keys=settings().keys, upstreams=there), Drivers(connect=lambda there, limits: transport))
    assert asyncio.run(ask(service, {"input": "Hi", "model": "m"}, headers=bearer("sk-bob"))).status == 200
    assert "authorization" not in dict(transport.requests[0].headers)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\udcff", "a" * 101], ids=ascii)
def test_a_name_that_no_key_can_have(name: str) -> None:
    with pytest.raises(SettingsError, match="NAME: the name of a key has 1 to 100 printable characters"):
        make_key(name, "sk-1", "NAME")
