"""The synthetic upstream: which options count, and what a client gets for wrong ones."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, TypeAlias

import pytest

from core.kit import JSON_HEADERS, Answer, Json, ask
from penstock.assembly import build
from penstock.dialects.synthetic.options import Constant, SyntheticOptions
from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream
from penstock.errors import ApiError
from penstock.settings import Settings, SyntheticSettings
from requirements import shows

Policy: TypeAlias = Literal["ignore", "reject", "forward"]


PROFILES = SyntheticSettings(profiles={"slow": "tokens=9&tool_call_rate=0"})


def answer(model: str, policy: Policy = "ignore", header: str = "", store: str = "none://", **asked: Any) -> Answer:
    service = build(Settings(store=store, unknown_parameters=policy, synthetic=PROFILES))
    headers = JSON_HEADERS | ({"x-penstock-synthetic": header} if header else {})
    return asyncio.run(ask(service, {"model": model, "input": "What is a penstock?", **asked}, headers=headers))


def text_of(response: Json) -> str:
    return "".join(part["text"] for item in response["output"] for part in item["content"])


@shows("synthetic-options")
@pytest.mark.parametrize("asked", [{}, {"stream": True}, {"store": False}])
def test_a_wrong_option_is_the_models_fault(asked: dict[str, Any]) -> None:
    answered = answer("synthetic?seed=7&tokns=5", **asked)
    error = answered.json()["error"]
    assert (answered.status, error["param"], error["code"]) == (400, "model", "invalid_value")
    assert error["message"] == (
        "Invalid value for 'model' at offset 17 of 'synthetic?seed=7&tokns=5': "
        "There is no option 'tokns'; did you mean 'tokens'?"
    )
    assert "synthetic?seed=7&tokns=5"[17:] == "tokns=5"


def test_the_response_has_the_name_that_the_client_sent() -> None:
    assert answer("synthetic?seed=7").json()["model"] == "synthetic?seed=7"


def test_other_models_have_no_options() -> None:
    assert answer("other?seed=7").status == 404
    assert answer("synthetic ?seed=7").status == 404


def test_only_the_seed_changes_the_text() -> None:
    plain, timed, seeded = (text_of(answer(f"synthetic{end}").json()) for end in ("", "?itl_ms=0", "?seed=7"))
    assert plain == timed != seeded


def test_the_name_overrides_the_header() -> None:
    upstream = SyntheticUpstream(profiles={"slow": "tokens=9&itl_ms=1"})
    assert upstream.options("synthetic", "slow") == SyntheticOptions(tokens=Constant(value=9), itl_ms=Constant(value=1))
    assert upstream.options("synthetic", "seed=1") == SyntheticOptions(seed=1)
    both = upstream.options("synthetic?itl_ms=2", "slow")
    assert both == SyntheticOptions(tokens=Constant(value=9), itl_ms=Constant(value=2))


def test_a_wrong_header_is_named() -> None:
    with pytest.raises(ApiError, match="at offset 0 of 'fast': There is no profile 'fast'") as raised:
        SyntheticUpstream().options("synthetic", "fast")
    assert raised.value.param == "x-penstock-synthetic"


@shows("synthetic-lengths")
@pytest.mark.parametrize("policy", ["ignore", "reject", "forward"])
def test_parameters_that_are_read_are_not_ignored(policy: Policy) -> None:
    answered = answer(
        "synthetic",
        policy,
        ignore_eos=True,
        min_tokens=3,
        max_output_tokens=50,
        **({} if policy == "reject" else {"x": 1}),
    )
    assert answered.status == 200
    assert answered.headers.get("x-penstock-ignored") == ("x" if policy == "ignore" else None)
    response = answered.json()
    assert (response["status"], response["usage"]["output_tokens"]) == ("incomplete", 50)
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer("synthetic", policy, min_tokens="3").json()["error"]["param"] == "min_tokens"


def test_a_context_is_known_before_a_turn_is_cut_to_it() -> None:
    long = [
        {"role": "user", "content": "word " * 100},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Hi"},
    ]
    answered = answer("synthetic?context=60&tokens=5", input=long, truncation="auto")
    assert (answered.status, answered.json()["usage"]["output_tokens"]) == (200, 5)
    refused = answer("synthetic?context=60&tokens=5", input=long).json()["error"]
    assert refused["code"] == "context_length_exceeded"


@shows("synthetic-options")
@pytest.mark.parametrize(
    ("model", "header", "tokens"),
    [
        ("synthetic?profile=slow", "", 9),
        ("synthetic", "slow", 9),
        ("synthetic", "tokens=8", 8),
        ("synthetic", "profile=slow&tokens=7", 7),
        ("synthetic?tokens=6", "slow", 6),
    ],
)
def test_options_come_from_the_name_a_profile_or_the_header(model: str, header: str, tokens: int) -> None:
    assert answer(model, header=header).json()["usage"]["output_tokens"] == tokens


def test_a_wrong_header_is_a_400() -> None:
    error = answer("synthetic", header="slwo").json()["error"]
    assert (error["param"], error["code"]) == ("x-penstock-synthetic", "invalid_value")
    assert "There is no profile 'slwo'; did you mean 'slow'?" in error["message"]


def test_a_background_response_keeps_the_options_of_its_name_only() -> None:
    refused = answer("synthetic", header="slow", store="memory://", background=True)
    assert (refused.status, refused.json()["error"]["param"]) == (400, "x-penstock-synthetic")
    assert answer("synthetic?profile=slow", store="memory://", background=True).status == 200
    assert answer("synthetic?profile=slwo", store="memory://", background=True).status == 400
