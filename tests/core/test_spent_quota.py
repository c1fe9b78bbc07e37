"""Errors of accounts without credit, in the words of each upstream, and similar errors of rates that are no such."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.errors import ApiError
from penstock.upstream_errors import read_error
from penstock.upstream_replies import KeyOwner, reply_error, reported_error
from requirements import shows

Case = tuple[int, dict[str, Any] | list[Any]]


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


QUOTA = "You exceeded your current quota, please check your plan and billing details."

SPENT: dict[str, Case] = {
    "OpenAI": (429, error(QUOTA, type="insufficient_quota", param=None, code="insufficient_quota")),
    "OpenAI, the type alone": (429, error("Stop.", type="insufficient_quota")),
    "Perplexity": (401, error(QUOTA, type="insufficient_quota", code=401)),
    "Anthropic": (
        400,
        {
            "type": "error",
            **error(
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade"
                " or purchase credits.",
                type="invalid_request_error",
            ),
        },
    ),
    "Anthropic's type": (402, error("Please check your payment details.", type="billing_error")),
    "OpenRouter": (402, error("Insufficient credits. Add more using https://openrouter.ai/credits", code=402)),
    "OpenRouter, for a long answer": (
        402,
        error("This request requires more credits, or fewer max_tokens. You requested up to 9 tokens.", code=402),
    ),
    "OpenRouter, of a key": (403, error("Key limit exceeded (monthly limit).", code=403)),
    "DeepSeek": (402, error("Insufficient Balance", type="unknown_error", param=None, code="invalid_request_error")),
    "z.ai": (429, error("Insufficient balance or no resource package. Please recharge.", code="1113")),
    "Zhipu": (429, error("\u4f59\u989d\u4e0d\u8db3\u6216\u65e0\u53ef\u7528\u8d44\u6e90\u5305", code="1113")),
    "Moonshot": (429, error("Your account is suspended, please recharge.", type="exceeded_current_quota_error")),
    "SiliconFlow": (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    "MiniMax": (429, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    "xAI": (
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your team has either used all available credits or reached its monthly spending limit.",
        },
    ),
    "xAI, a new team": (403, {"code": "permission", "error": "Your newly created team doesn't have any credits yet."}),
    "Together": (402, error("Credit limit exceeded, please go to settings.", type="credit_limit")),
    "Fireworks": (412, error("Account x is suspended, possibly due to reaching the monthly spending limit.")),
    "Hugging Face": (402, {"error": "You have exceeded your monthly included credits for Inference Providers."}),
    "DashScope": (400, {"code": "Arrearage", "message": "Access denied, make sure your account is in good standing."}),
    "Volcengine": (403, error("The request failed.", code="AccountOverdueError")),
    "Vertex AI": (403, error("This API method requires billing to be enabled.", code=403, status="PERMISSION_DENIED")),
    "LiteLLM": (400, error("Budget has been exceeded! Current cost: 2.0, Max budget: 1.0", type="budget_exceeded")),
    "New API": (403, error("x", type="new_api_error", code="insufficient_user_quota")),
    "a gateway without words": (402, {}),
    "behind a gateway": (
        400,
        error("Provider returned error", code=400, metadata={"raw": json.dumps(error("Insufficient Balance"))}),
    ),
}

OPENAIS_OTHERS: dict[str, Case] = {
    "billing_not_active": (429, error("Your account is not active.", type="billing_not_active")),
    "access_terminated": (429, error("Your access was terminated.", type="access_terminated", code=None)),
    "billing_hard_limit_reached": (
        400,
        error("Billing hard limit has been reached", code="billing_hard_limit_reached"),
    ),
}

RATES: dict[str, Case] = {
    "Gemini": (429, error(f"{QUOTA} Please retry in 34.07s.", code=429, status="RESOURCE_EXHAUSTED")),
    "OpenAI": (429, error("Rate limit reached for gpt on tokens per min.", type="tokens", code="rate_limit_exceeded")),
    "Groq, of a large request": (
        413,
        error(
            "Request too large for model x on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your"
            " message size and try again.",
            type="tokens",
            code="rate_limit_exceeded",
        ),
    ),
    "Bedrock": (400, {"__type": "ThrottlingException", "message": "Too many tokens, please wait."}),
    "Google": (403, error("Rate Limit Exceeded", code=403, status="rateLimitExceeded")),
    "a gateway, of a status within": (400, error("Slow down.", code=429)),
    "DashScope": (429, {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded."}),
    "Cerebras": (429, error("Tokens per minute limit exceeded", type="too_many_tokens_error", code="quota_exceeded")),
}

OTHERS: dict[str, Case] = {
    "a model": (404, error("The model credits-1 does not exist.")),
    "a parameter": (400, error("Invalid value for 'budget_tokens': must be at least 1024.")),
    "a context": (400, error("This model's maximum context length is 10 tokens.")),
    "a key": (401, error("Incorrect API key provided.")),
    "rights": (403, error("Your account has no access to this model.")),
    "a failure": (500, error("Insufficient balance of the load.")),
}


def read(case: Case, key: KeyOwner = "server", **headers: str) -> ApiError:
    status, body = case
    return reply_error(status, headers, json.dumps(body).encode(), key=key)


@shows("spent-quota")
@pytest.mark.parametrize("key", ["client", "server", "none"])
@pytest.mark.parametrize("case", SPENT.values(), ids=SPENT)
def test_spent_credit_is_insufficient_quota_and_no_use_in_a_retry(case: Case, key: KeyOwner) -> None:
    spent = read(case, key)
    assert (spent.status, spent.code, spent.type) == (429, "insufficient_quota", "insufficient_quota")
    assert spent.headers() == [("x-should-retry", "false")]
    assert "try again in" not in spent.message
    assert spent.response_error().code == "insufficient_quota"


@shows("spent-quota")
@pytest.mark.parametrize(("code", "case"), OPENAIS_OTHERS.items(), ids=OPENAIS_OTHERS)
def test_openais_own_codes_stay(code: str, case: Case) -> None:
    closed = read(case)
    assert (closed.status, closed.code, closed.type, closed.retriable) == (429, code, code, False)


@shows("spent-quota")
@pytest.mark.parametrize("name", ["OpenAI", "Anthropic", "OpenRouter", "DeepSeek", "MiniMax", "z.ai"])
def test_the_same_in_a_reply_of_status_200(name: str) -> None:
    spent = reported_error(read_error(SPENT[name][1]))
    assert (spent.status, spent.code, spent.retriable) == (429, "insufficient_quota", False)


@shows("rate-limits-by-any-status")
@pytest.mark.parametrize("case", RATES.values(), ids=RATES)
def test_a_limit_of_a_rate_is_a_429_with_its_wait_whatever_its_status(case: Case) -> None:
    limited = read(case, **{"retry-after": "7"})
    assert (limited.status, limited.code, limited.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert dict(limited.headers())["retry-after"] == "7"
    assert limited.message.endswith("Please try again in 7s.")


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_other_errors_are_neither(case: Case) -> None:
    assert read(case, "client").status != 429
