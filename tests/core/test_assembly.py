"""From settings to a service."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.kit import JSON_HEADERS, Answer, Json, Scripted, ScriptedReply, ask
from penstock import Drivers, Limits, Secret, Settings, UpstreamSettings, build
from penstock.ports import Destination, Transport
from penstock.service import Service
from penstock.settings import SettingsError, SyntheticSettings
from penstock_adapters.drivers import read_file
from support import oracle

BODY = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}'


def answer(settings: Settings, asked: Json, transports: dict[str, Scripted] | None = None, key: str = "") -> Answer:
    """One answer; a transport to each upstream is found by its URL."""
    found = transports or {}

    def connect(there: Destination, limits: Limits) -> Transport:
        assert limits == settings.limits
        return found[there.url]

    headers = JSON_HEADERS | ({"authorization": f"Bearer {key}"} if key else {})
    return asyncio.run(ask(build(settings, Drivers(connect=connect)), asked, headers=headers))


def scripted() -> Scripted:
    return Scripted(ScriptedReply(BODY, headers=JSON_HEADERS))


def upstream(name: str, **fields: Any) -> UpstreamSettings:
    return UpstreamSettings(name=name, url=f"http://{name}/v1", **fields)


def test_without_any_setting_the_synthetic_model_answers() -> None:
    reply = oracle.check_response(answer(Settings(), {"input": "Hi"}).json())
    assert (reply["model"], reply["status"]) == ("synthetic", "completed")


def test_each_model_is_asked_where_it_is() -> None:
    settings = Settings(upstreams=[upstream("a", models=["one"], aliases={"gpt-5": "one"}), upstream("b")], model="one")
    asked: dict[str | None, tuple[str, str]] = {
        None: ("a", "one"),
        "gpt-5": ("a", "one"),
        "other": ("b", "other"),
    }
    for model, (name, sent) in asked.items():
        transports = {f"http://{each}/v1": scripted() for each in "ab"}
        assert answer(settings, {"input": "Hi"} | ({"model": model} if model else {}), transports).status == 200
        [request] = transports[f"http://{name}/v1"].requests
        assert f'"model":"{sent}"'.encode() in request.body
        assert sum(len(transport.requests) for transport in transports.values()) == 1


BEARERS: dict[str, tuple[Json, Json, str, str | None]] = {
    "the client's own": ({}, {}, "sk-client", "Bearer sk-client"),
    "none": ({}, {}, "", None),
    "the upstream's": ({"key": Secret("sk-up")}, {}, "sk-client", "Bearer sk-up"),
    "a key of ours stays here": ({}, {"api_keys": [Secret("sk-ours")]}, "sk-ours", None),
    "the upstream's behind ours": (
        {"key": Secret("sk-up")},
        {"api_keys": [Secret("sk-ours")]},
        "sk-ours",
        "Bearer sk-up",
    ),
}


@pytest.mark.parametrize(("there", "here", "given", "sent"), BEARERS.values(), ids=BEARERS)
def test_whose_key_goes_upstream(there: Json, here: Json, given: str, sent: str | None) -> None:
    transport = scripted()
    reply = answer(
        Settings(upstreams=[upstream("a", **there)], **here),
        {"input": "Hi", "model": "m"},
        {"http://a/v1": transport},
        given,
    )
    assert reply.status == 200
    assert dict(transport.requests[0].headers).get("authorization") == sent


def test_settings_reach_where_they_belong() -> None:
    settings = Settings(
        done_marker=False, unknown_parameters="reject", absent_tools="reject", api_keys=[Secret("sk-1")]
    )
    assert answer(settings, {"input": "Hi"}).status == 401
    assert not answer(settings, {"input": "Hi", "stream": True}, key="sk-1").body.endswith(b"[DONE]\n\n")
    for wrong in ({"x": 1}, {"tools": [{"type": "web_search"}]}):
        assert answer(settings, {"input": "Hi", **wrong}, key="sk-1").status == 400


def test_an_upstream_needs_a_way_to_it() -> None:
    with pytest.raises(TypeError, match="http://a/v1"):
        build(Settings(upstreams=[upstream("a")]))


def test_quantiles_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("5\n5\n")
    (tmp_path / "broken.txt").write_text("5\nx\n")

    def built(name: str) -> Service:
        quantiles = {"few": str(tmp_path / name)}
        return build(
            Settings(store="none://", synthetic=SyntheticSettings(quantiles=quantiles)), Drivers(read_file=read_file)
        )

    asked = {"model": "synthetic?tokens=quantiles(few)", "input": "Hi"}
    reply = asyncio.run(ask(built("tokens.txt"), asked, headers=JSON_HEADERS)).json()
    assert reply["usage"]["output_tokens"] == 5
    for name, problem in (
        ("broken.txt", "broken.txt: Line 2: 'x' is not a number."),
        ("gone.txt", "gone.txt: No such"),
    ):
        with pytest.raises(SettingsError, match=problem) as raised:
            built(name)
        assert raised.value.where == "synthetic.quantiles.few"
