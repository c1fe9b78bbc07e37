"""Recognises the errors of upstreams for an input that is too long for a model. Agents compact after such an error.

Beside every pattern are the upstreams that use it. Similar messages about a rate, a bill or a parameter are excluded.
"""

from __future__ import annotations

import re

_CODES = frozenset(
    (
        "context_length_exceeded",  # OpenAI, Azure, Groq, Together, Fireworks, DeepSeek, Cerebras
        "exceed_context_size_error",  # llama.cpp
        "model_context_window_exceeded",  # z.ai, Anthropic
        "context_window_exceeded",  # Databricks
        "contextwindowexceedederror",  # LiteLLM
        "max_context_length_exceeded",  # gateways
        "context_overflow",  # gateways
        "prompt_too_long",  # gateways
        "input_too_long",  # gateways
        "request_too_large",  # Anthropic, of a body of over 32 MB
        "tokens_limit_reached",  # GitHub Models
        "model_max_prompt_tokens_exceeded",  # GitHub Copilot
        "max_prompt_tokens_exceeded",  # gateways
    )
)
"""Codes and types of such errors, in lower case."""

_CONTEXT = r"context[ _]?(?:length|window|size|limit|buffer)"
_INPUT = r"(?<![\w'])(?:prompt|input|conversation|context|messages?|query|request)(?:\(s\)|s)?(?!\w)"

_WORDINGS = (
    r"\bmax(?:imum)? context\b",  # OpenAI, OpenRouter, DeepSeek, Mistral, vLLM, SGLang, LiteLLM
    rf"{_CONTEXT}\b.{{0,30}}\bexceed",  # Ollama, MiniMax, Groq, gateways
    rf"\bexceed\w*\b.{{0,60}}\b{_CONTEXT}",  # OpenAI, Anthropic, llama.cpp, llama-cpp-python, Workers AI, Ollama
    rf"\b(?:longer|larger|greater|more) than\b.{{0,30}}\b{_CONTEXT}",  # SGLang, Together, LM Studio, Ollama
    rf"{_CONTEXT} (?:is|of) only [\d,]+",  # vLLM, LM Studio
    r"\bcontext\b.{0,20}\b(?:overflow(?:s|ed)?|full)\b",  # gateways
    r"longer than the maximum model length",  # vLLM's engine
    rf"{_INPUT}.{{0,50}}\btoo (?:long|large|big)\b",  # Anthropic, Bedrock, Fireworks, z.ai, Ollama, GitHub Models, vLLM
    r"\btoo large for model with [\d,]+",  # Mistral
    rf"{_INPUT}.{{0,60}}\bexceeds? (?:the )?max(?:imum)?\b.{{0,20}}\b(?:token|length|size)",  # Gemini, Bedrock
    rf"{_INPUT}.{{0,60}}\btokens?\b.{{0,30}}\bexceeds? (?:the|its|max)",  # GitHub Copilot, Azure, Volcengine
    r"\binput token count is [\d,]+ but\b",  # Vertex AI
    r"\bmaximum (?:prompt|input) (?:length|tokens?|size)",  # xAI, gateways
    r"\bmaximum number of input tokens\b",  # Bedrock
    r"\bshould not exceed max_num_tokens\b",  # TensorRT-LLM
    r"\bprompt exceeds max length\b",  # z.ai
    r"\breduce the length of (?:the|your) (?:messages?|prompt|input)",  # OpenAI, Groq, Cerebras, vLLM
    r"\brange of input length should be\b",  # DashScope
    r"\binput length\b.{0,40}\bexceed",  # SGLang, Baidu
    r"\bexceeded model token limit\b",  # Moonshot
    r"\b(?:tokens?|token length) (?:of \w+ and \w+ )?exceeds? (?:the model'?s )?max",  # Cohere, Volcengine
    r"\btoo many (?:input |prompt )?tokens\b",  # Cohere, Bedrock
    r"\bprompt_tokens\b.{0,30}\bmust be less than max_seq_len",  # SiliconFlow
    r"`inputs`.{0,40}\bmust (?:be <=|have less than)",  # TGI, Together
    r"\bprompt has [\d,]+ tokens?, but",  # DS4
    r"\b(?:input |prompt )?token limit exceeded\b",  # gateways
    r"\binput tokens exceed\b",  # Azure
    r"(?:input|prompt|content|text)\S{0,20}': string too long",  # OpenAI, of one text
    r"\bn_keep\b.{0,20}\bn_ctx\b",  # LM Studio
    r"context_(?:length|window|size)_exceeded|\bmax_(?:prompt|input)_tokens exceeded",  # gateways, of another's code
    rf"{_CONTEXT} is [\d,]+\b.{{0,20}}\bbut\b|\brequested [\d,]+ tokens?\b.{{0,40}}\bcontext",  # Aphrodite, gateways
    rf"{_INPUT}.{{0,60}}\b(?:longer|larger|greater|bigger|more) than\b.{{0,40}}\b(?:max\w*|context)\b",  # TabbyAPI
    rf"{_INPUT}.{{0,60}}\bexceeds? (?:the )?(?:max_\w+|session|n_ctx)",  # LMDeploy, TensorRT-LLM
    rf"(?:{_INPUT}|\btokens?\b).{{0,40}}\bexceeds? (?:the )?model'?s? (?:context|limit|max)",  # gateways
    rf"{_INPUT} tokens?\b.{{0,20}}\bexceeds? (?:the )?limit|\bexceeds? the max\w*\b.{{0,20}}\binput (?:length|tokens?)",
    rf"{_INPUT}.{{0,60}}\btokens?\b.{{0,30}}\b(?:cannot exceed|over the limit)",  # Databricks, watsonx, gateways
    r"\btokens?\b.{0,40}\b(?:prompt|input|messages?)\b.{0,30}\bexceeds? (?:the )?max|\btokens? \S+ exceeds? n_ctx",
    r"\bsupports? (?:at most|only|up to) [\d,]+ (?:input |prompt )?tokens\b.{0,30}\b(?:request|prompt|input|messages?)",
    r"[\d,]+ (?:input|prompt) tokens\b.{0,20}\bbut\b.{0,40}\bonly\b",  # gateways
    r"\b(?:input|prompt|total) tokens?\b[^.]{0,20}[\d,]+ ?> ?(?:max\w* ?)?[\d,]+",  # gateways
    r"\bsequence length\b.{0,30}\b(?:exceeds|longer than)|\bsequence is too long",  # transformers, MLX
    r"\bmax(?:imum)? input characters\b|\bprompt tokens too long",  # Baidu
    r"(?:prompt|tokens?|\u8f93\u5165|\u4e0a\u4e0b\u6587)[^.]{0,12}\u8d85[\u957f\u8fc7\u51fa\u9650]",  # z.ai, Hunyuan
)
_TOO_LONG = "|".join(f"(?:{wording})" for wording in _WORDINGS)

_EXCLUDED = (
    r"\bper[ -]?(?:min|minute|hour|day|second)\b|\bTP[MD]\b|\bRPM\b|rate[ _-]?limit|throttl|too many requests"
    r"|\b(?:daily|weekly|monthly|hourly)\b|\byour (?:plan|account|subscription)|timed? ?out"
    r"|\bquota\b|billing|\bcredits?\b|insufficient[ _]balance|wait before"  # a rate or a bill: no shorter input helps
    r"|\b(?:image|audio|video) (?:input|size|duration|length)\b"  # a medium
    r"|\b(?:\w*name|\w*id|user|description|key)'?:? string too long"  # a parameter, by OpenAI's words
)

_LIMIT = r"maximum context length (?:is|of) ([\d,]+)"
_SIZE = (
    rf"{_CONTEXT}[^0-9]{{0,30}}?([0-9][0-9,]{{1,12}})(?! ?tokens (?:requested|in))"  # OpenAI, vLLM, llama.cpp
    r"|maximum model length of ([0-9][0-9,]{1,12})"  # vLLM's engine
    r"|model with ([0-9][0-9,]{1,12}) maximum context"  # Mistral
)
_OUTPUT = (
    r"([\d,]+) (?:tokens )?(?:in|for) the completion"  # OpenAI, DeepSeek, SGLang
    r"|requested ([\d,]+) output tokens|([\d,]+) '?max_tokens'?\. |tokens'? is too large: ([\d,]+)"  # vLLM
)
_CHARS_MAX = 4_000
"""How much of a message is read."""


def is_too_long(message: str, *names: str | None) -> bool:
    """Whether an error means that the input is too long. `names` are its code and its type."""
    if any(name and name.lower() in _CODES for name in names):
        return True
    text = message[:_CHARS_MAX]
    # spec: too-long-by-any-words
    return bool(_search(_TOO_LONG, text)) and not (_search(_EXCLUDED, text) or _is_output_too_long(text))


def context_tokens_in(message: str) -> int | None:
    """The size of the model's context in tokens, if the message of such an error contains it."""
    found = _search(_SIZE, message[:_CHARS_MAX])
    return _number(found) or None if found else None


def _is_output_too_long(text: str) -> bool:
    """Whether the requested output is too long for any input. Then the parameter is the error."""
    limit, output = _search(_LIMIT, text), _search(_OUTPUT, text)
    return limit is not None and output is not None and _number(output) >= _number(limit)


def _search(pattern: str, text: str) -> re.Match[str] | None:
    """The first match. The patterns are compiled with the first error, since that takes a while."""
    return re.search(pattern, text, re.IGNORECASE)


def _number(found: re.Match[str]) -> int:
    return int(next(filter(None, found.groups())).replace(",", "") or 0)
