"""Recognises the errors of upstreams for an account without credit: the credit is spent, or its billing is inactive.

OpenAI has a code for it, after which clients do not try again. Beside every pattern are the upstreams that use it. A
limit of a rate is another error: it reports a wait.
"""

from __future__ import annotations

from penstock.patterns import lazy_pattern

INSUFFICIENT_QUOTA = "insufficient_quota"
"""OpenAI's code, and the one that clients know."""

_OPENAIS = frozenset((INSUFFICIENT_QUOTA, "billing_not_active", "billing_hard_limit_reached", "access_terminated"))
"""OpenAI's codes and types of such errors, which are passed on unchanged."""

_CODES = frozenset(
    (
        "insufficient_user_quota",  # New API, One API
        "pre_consume_token_quota_failed",  # New API
        "insufficient_balance",  # gateways
        "insufficient_credits",  # Poe, gateways
        "insufficient_funds",  # Vercel's gateway
        "billing_error",  # Anthropic
        "billing_disabled",  # Vertex AI
        "payment_required",  # gateways
        "exceeded_current_quota_error",  # Moonshot
        "credit_limit",  # Together
        "budget_exceeded",  # LiteLLM
        "arrearage",  # DashScope
        "allocationquota.freetieronly",  # DashScope
        "accountoverdueerror",  # Volcengine
    )
)
"""Codes and types of other upstreams, in lower case."""

_WORDINGS = (
    r"\binsufficient[ _-](?:account |user )?(?:balance|credits?|funds?|quota)\b",  # DeepSeek, OpenRouter, MiniMax, z.ai
    r"\bbalance (?:is |was )?(?:too low|insufficient|not enough|exhausted|depleted)\b",  # Anthropic, SiliconFlow
    r"\b(?:not enough|no more|doesn'?t have any|run out of|out of|used all(?: available)?|more) credits?\b",  # xAI
    r"\bexceeded your\b.{0,20}\b(?:included )?credits\b",  # Hugging Face
    r"\bcredits?(?: limit)? (?:is |are |has been |have been )?(?:exceeded|exhausted|depleted|used up)\b",  # Together
    r"\b(?:spend(?:ing)?|billing|budget|key)(?: hard)? (?:limit|cap) (?:has been |was )?(?:reached|exceeded)\b",
    r"\b(?:reached|exceeded|reaching)\b.{0,20}\b(?:monthly |hard )?(?:spend(?:ing)?|billing) (?:limit|cap)\b",  # xAI
    r"\bbudget has been exceeded\b",  # LiteLLM
    r"\bbilling (?:is |was |to be )?(?:not active|inactive|disabled|enabled)\b",  # Vertex AI
    r"\baccount\b.{0,40}\b(?:is not active|in good standing|in arrears|overdue|past due)\b",  # OpenAI, DashScope
    r"\bpayment required\b|\bpast invoices\b",  # Fireworks
    r"\u4f59\u989d\u4e0d\u8db3|\u989d\u5ea6\u4e0d\u8db3|\u6b20\u8d39",  # z.ai, New API, DashScope
)
_SPENT = lazy_pattern("(?i)" + "|".join(f"(?:{wording})" for wording in _WORDINGS))
_QUOTA = lazy_pattern(r"(?i)\bexceeded your current quota\b|\bcheck your (?:plan and )?billing\b")
"""OpenAI's words. Gemini has them for limits of a rate too, with a wait."""

_PAYMENT_REQUIRED = 402
_CHARS_MAX = 4_000
"""How much of a message is read."""


def spent_quota_code(message: str, *names: str | None, status: int | None, has_wait: bool) -> str | None:
    """The code for the client if an error means that the account has no credit. `names` are its code and its type.

    `has_wait` is whether the upstream asks for a wait.
    """
    # spec: spent-quota
    known = next((name for name in names if name in _OPENAIS), None)
    if known is not None:
        return known
    is_named = any(name and name.lower() in _CODES for name in names)
    if is_named or status == _PAYMENT_REQUIRED or _has_words(message[:_CHARS_MAX], has_wait):
        return INSUFFICIENT_QUOTA
    return None


def _has_words(text: str, has_wait: bool) -> bool:
    """Whether a message means this."""
    return bool(_SPENT.search(text) or (not has_wait and _QUOTA.search(text)))
