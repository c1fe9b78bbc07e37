"""How an answer ended, by any of the names that backends have for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from penstock.errors import upstream_failed
from penstock.transcript.deltas import Finish

from .unknown_values import UnknownValues

FinishMeaning: TypeAlias = Literal["completed", "max_output_tokens", "content_filter", "failed"]
"""What a finish reason means: a whole answer, one that was cut for one of two reasons, or an error."""

_NAMES: dict[FinishMeaning, str] = {
    "completed": (
        "stop tool_calls tool_call tool_use function_call eos eos_token end_turn stop_sequence stop_token complete"
        " completed finished done normal success pause_turn unspecified load unload"
        " eos_found stop_string_found stop_string stop_str stop_criteria end ended eot"
    ),
    "max_output_tokens": (
        "length max_tokens max_output_tokens max_completion_tokens max_new_tokens max_length token_limit"
        " token_limit_reached stop_length length_limit output_limit model_length error_limit"
        " context_length context_length_exceeded context_window_exceeded model_context_window_exceeded"
        " max_predicted_tokens_reached context_length_reached context_limit context_window output_length repetition"
    ),
    "content_filter": (
        "content_filter content_filtered filtered filter safety recitation blocklist prohibited_content spii language"
        " image_safety image_prohibited_content image_recitation model_armor refusal guardrail_intervened moderation"
        " error_toxic sensitive content_policy content_policy_violation policy_violation"
        " guardrail_intervention content_blocked blocked safety_block censored"
    ),
    "failed": (
        "error error_finish fail failed failure abort aborted cancel cancelled canceled user_cancel network_error"
        " server_error system_error internal_error provider_error upstream_error engine_error engine_overloaded"
        " insufficient_system_resource overloaded timeout time_limit preempted malformed_function_call"
        " malformed_tool_call malformed_tool_use malformed_model_output malformed_response unexpected_tool_call"
        " too_many_tool_calls missing_thought_signature image_other no_image"
        " user_stopped model_unloaded model_error exception interrupted rate_limit"
    ),
}
"""As they stand in the documents and sources of OpenAI, Anthropic, Gemini, Bedrock, Cohere, Mistral, DeepSeek, z.ai,
watsonx, vLLM, SGLang, TGI, llama.cpp, Ollama, LM Studio and OpenRouter, and in reports of what providers send."""
_KNOWN: dict[str, FinishMeaning] = {name: ending for ending, names in _NAMES.items() for name in names.split()}

_NOT_YET = frozenset(("", "null", "none", "not_finished", "in_progress"))
"""What some backends send in place of null while the answer continues."""
_REASON_CHARS_MAX = 100


class FinishReasons:
    """What the finish reasons of one upstream mean: its own words first, then those that are known of any."""

    def __init__(self, own: Mapping[str, FinishMeaning], unknown: UnknownValues) -> None:
        self._meanings = _KNOWN | {_plain(name): ending for name, ending in own.items()}
        self._unknown = unknown

    def read(self, reason: str | None, native: str | None) -> Finish | None:
        """How the answer ended; None while it goes on. Raises `ApiError` where it failed.

        `native` is the reason that a provider gave to a gateway, which may have replaced it by "stop".
        """
        if native is None and self._meanings.get(reason or "") == "completed":
            return Finish()
        given = [name for name in (reason, native) if name and self._is_end(name)]
        if not given:
            return None
        endings = [(name, self._ending(name)) for name in given]
        name, ending = next((each for each in endings if each[1] != "completed"), endings[0])
        if ending == "failed":
            raise upstream_failed(f"The upstream met an error while it was answering: {name[:_REASON_CHARS_MAX]}.")
        return Finish(None if ending == "completed" else ending)

    def _is_end(self, reason: str) -> bool:
        return reason in self._meanings or _plain(reason) not in _NOT_YET

    def _ending(self, reason: str) -> FinishMeaning:
        ending = self._meanings.get(reason) or self._meanings.get(_plain(reason))
        # spec: odd-finishes
        if ending is None:
            self._unknown.log("finish reason", reason, "is not known: the answer counts as whole")
        return ending or "completed"


def _plain(reason: str) -> str:
    """The reason in lower case with underscores, without what some put before or behind it."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason.partition(":")[0])
    words = re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
    return words.removeprefix("finish_reason_")
