"""Whether an error states that the input is too long, in the words of every backend that reports it."""

from __future__ import annotations

import json

import pytest

from penstock.errors import ApiError
from penstock.too_long import is_too_long
from penstock.upstream_errors import read_error
from penstock.upstream_replies import reply_error, reported_error
from requirements import shows

TOO_LONG: dict[str, tuple[str | None, str]] = {
    "OpenAI, chat": (
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
    ),
    "OpenAI, responses": (None, "Your input exceeds the context window of this model. Please adjust your input."),
    "Azure": (
        None,
        (
            "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens. "
            "Please reduce the length of the messages."
        ),
    ),
    "Anthropic": ("invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum"),
    "Anthropic, with its output": (
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 174167 + 64000 > 200000, decrease input length",
    ),
    "Anthropic, by bytes": ("request_too_large", "Request exceeds the maximum size"),
    "Gemini": (
        "INVALID_ARGUMENT",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    ),
    "Vertex AI": (
        None,
        "Unable to submit request because the input token count is 32775 but model only supports up to 32768.",
    ),
    "xAI": (None, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
    "Groq": (None, "Please reduce the length of the messages or completion."),
    "Cerebras": (None, "Please reduce the length of the messages. Current length is 3041 while limit is 2048"),
    "Bedrock": ("ValidationException", "Input is too long for requested model."),
    "Bedrock, another model": ("ValidationException", "The input is too long"),
    "Bedrock, by its limit": ("ValidationException", "Input exceeds the max input token limit"),
    "Bedrock, counted": (None, "Too many input tokens. Max input tokens: 8192, request input token count: 12000"),
    "DashScope": (
        "invalid_parameter_error",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]",
    ),
    "vLLM": (
        "BadRequestError",
        (
            "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens "
            "(112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion."
        ),
    ),
    "vLLM, newer": (
        "BadRequestError",
        (
            "You passed 5000 input tokens and requested 1 output tokens. However, the model's context length is only "
            "4096 tokens, resulting in a maximum input length of 4095 tokens. Please reduce the input prompt."
        ),
    ),
    "vLLM, no room for the output": (
        "BadRequestError",
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is "
            "131072 tokens and your request has 120000 input tokens (32000 > 131072 - 120000)."
        ),
    ),
    "vLLM, its engine": (None, "The decoder prompt (length 21535) is longer than the maximum model length of 16384."),
    "vLLM, its first engine": (
        None,
        "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
    ),
    "vLLM, its scheduler": (None, "Input prompt (35247 tokens) is too long and exceeds limit of 1000"),
    "SGLang": (None, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
    "SGLang, with its output": (
        None,
        (
            "Requested token count exceeds the model's maximum context length of 202752 tokens. You requested in all "
            "202941 tokens: 170941 tokens from the input messages and 32000 tokens for the completion."
        ),
    ),
    "SGLang, its memory": (None, "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."),
    "llama.cpp": (
        "exceed_context_size_error",
        "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
    ),
    "llama.cpp, by its type": ("exceed_context_size_error", ""),
    "llama-cpp-python": (None, "Requested tokens (5000) exceed context window of 2048"),
    "Ollama": (None, "prompt too long; exceeded max context length by 100918 tokens"),
    "Ollama, its runner": (None, "the input length exceeds the context length"),
    "LM Studio": (
        None,
        (
            "The number of tokens to keep from the initial prompt is greater than the context length "
            "(n_keep: 13055>= n_ctx: 4096). Try to load the model with a larger context length."
        ),
    ),
    "LM Studio, older": (
        None,
        (
            "Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with "
            "context length of only 32768 tokens, which is not enough."
        ),
    ),
    "Mistral": (
        None,
        "Prompt contains 44000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    ),
    "Cohere": (None, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."),
    "Cohere, another model": (None, "total tokens exceeds the model's max of 4096"),
    "Together": (
        None,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4090 `inputs` tokens",
    ),
    "TGI": (None, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"),
    "Fireworks": (None, "The prompt is too long: 40000, model maximum context length: 32767"),
    "DeepSeek": (None, "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens."),
    "OpenRouter": (
        None,
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens.",
    ),
    "Poolside": (None, "Input length 300000 exceeds the maximum allowed input length of 262144 tokens."),
    "GitHub Copilot": ("model_max_prompt_tokens_exceeded", "prompt token count of 140000 exceeds the limit of 128000"),
    "GitHub Models": ("tokens_limit_reached", "Request body too large for gpt-4o model. Max size: 8000 tokens."),
    "MiniMax": (None, "invalid params, context window exceeds limit (2013)"),
    "Moonshot": (None, "Invalid request: Your request exceeded model token limit: 131072"),
    "z.ai": (None, "Prompt exceeds max length"),
    "SiliconFlow": (None, "length of prompt_tokens (40000) must be less than max_seq_len (32768)."),
    "Volcengine": (None, "Total tokens of image and text exceed max message tokens"),
    "Workers AI": (
        None,
        "The estimated number of input and maximum output tokens (25000) exceeded this model context window limit.",
    ),
    "DS4": (None, "Prompt has 256,468 tokens, but the configured context size is 256,000 tokens"),
    "Databricks": (None, "prompt token count (5000) cannot exceed 4096"),
    "watsonx": (None, "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model"),
    "TabbyAPI": (None, "Prompt length 5000 is greater than max_seq_len 4096"),
    "LMDeploy": (None, "The token length of the prompt exceeds session_len 4096"),
    "LMDeploy, with its output": (None, "input tokens (5000) + max_new_tokens exceed session length"),
    "TensorRT-LLM, older": (None, "Prompt length (5000) exceeds maximum input length (4096)."),
    "TensorRT-LLM, its engine": (None, "length of prompt (5000) exceeds max_seq_len (4096)"),
    "llama.cpp, amid a stream": (None, "Context size has been exceeded."),
    "transformers": (
        None,
        "Token indices sequence length is longer than the specified maximum sequence length (5000 > 4096)",
    ),
    "Baidu": (None, "prompt tokens too long"),
    "z.ai, in Chinese": (None, "Prompt 超长"),
    "Hunyuan": (None, "输入长度超过模型最大长度限制"),
    "Spark": (None, "token数量超过上限"),
    "Aphrodite": (None, "This model's context window is 8192 tokens, but you sent 9000"),
    "a gateway, the sum": (None, "The total number of tokens exceeds the model's context"),
    "a gateway, by the prompt": (None, "The number of tokens in the prompt exceeds the maximum"),
    "a gateway, by its limit": (None, "Your request has 5000 input tokens, but the model supports only 4096"),
    "a gateway, by the most": (None, "This model supports at most 4096 tokens, your request has 5000"),
    "a gateway, over": (None, "The prompt contains 5000 tokens, over the limit of 4096"),
    "a gateway, counted": (None, "Input token count exceeds limit"),
    "a gateway, n_ctx": (None, "Number of tokens (5000) exceeds n_ctx 4096"),
    "a gateway, more": (None, "input has 5000 tokens which is more than the maximum of 4096"),
    "a gateway, allowed": (None, "tokens in request more than max tokens allowed"),
    "a gateway, the model": (None, "Your input messages exceed the model's maximum of 200000 tokens"),
    "a gateway, its limit": (None, "The input content exceeds the model's limit"),
    "a gateway, in short": (None, "Request exceeds model context"),
    "a gateway, compared": (None, "total tokens 5000 > max 4096"),
    "a gateway, asked for": (None, "Requested 5000 tokens, but the context length is 4096"),
    "a gateway, by a code": (None, "context_window_exceeded: try a shorter one"),
    "a gateway, big": (None, "Your prompt is too big"),
    "a gateway, the sequence": (None, "Sequence length 5000 exceeds the limit of 4096"),
    "a gateway, longer": (None, "prompt is longer than context"),
    "a gateway, allowed length": (None, "exceeds the maximum allowed input length of 4096 tokens"),
    "LiteLLM": (
        "ContextWindowExceededError",
        "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException",
    ),
    "LiteLLM, amid a stream": (
        None,
        (
            "litellm.MidStreamFallbackError: OpenAIException - Requested token count exceeds the model's maximum "
            "context length of 131072 tokens."
        ),
    ),
    "TensorRT-LLM": (None, "Prompt length (5000) exceeds maximum input length (4096)."),
    "TensorRT-LLM, newer": (
        None,
        "The sum of prompt and query length (9) should not exceed max_num_tokens (8)",
    ),
    "MLX": (None, "Prompt length exceeds max context (4096)"),
    "a gateway": ("context_overflow", "context overflow"),
    "OpenAI, one text": (
        "string_above_max_length",
        "Invalid 'input[0].content': string too long. Expected a string with maximum length 10485760.",
    ),
}

OTHERWISE: dict[str, tuple[str | None, str]] = {
    "OpenAI, tokens per minute": (
        "rate_limit_exceeded",
        (
            "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000. "
            "The input or output tokens must be reduced in order to run successfully."
        ),
    ),
    "Groq, tokens per minute": (
        "rate_limit_exceeded",
        (
            "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce "
            "your message size and try again."
        ),
    ),
    "Bedrock, throttled": ("ThrottlingException", "Too many tokens, please wait before trying again."),
    "Bedrock, tokens per day": (None, "Too many tokens per day, please try again tomorrow"),
    "Anthropic, tokens per minute": (
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 40,000 input tokens per minute.",
    ),
    "a quota": ("insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    "credits": (None, "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens"),
    "OpenAI, max_tokens": (
        "invalid_value",
        "max_tokens is too large: 50000. This model supports at most 16384 completion tokens, you gave 50000.",
    ),
    "Anthropic, max_tokens": (None, "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens"),
    "vLLM, max_tokens": (
        "BadRequestError",
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 200000. This model's maximum context length is "
            "131072 tokens and your request has 10 input tokens (200000 > 131072 - 10)."
        ),
    ),
    "vLLM, all of it is output": (
        None,
        (
            "This model's maximum context length is 4097 tokens. However, you requested 4107 tokens "
            "(10 in the messages, 4,097 in the completion)."
        ),
    ),
    "DeepSeek, max_tokens": (None, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
    "a name": ("string_above_max_length", "Invalid 'tools[0].name': string too long. Expected maximum length 64."),
    "an id": (None, "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a maximum length of 40."),
    "a user": (None, "Invalid 'user': string too long. Expected a string with maximum length 64."),
    "an image": (None, "messages.1.content.0.image.source.base64: image exceeds 5 MB maximum: 6291456 > 5242880"),
    "a deadline": (None, "context deadline exceeded"),
    "a bad request": (None, "temperature is not supported"),
    "a disk": (None, "No space left on device: the disk is full"),
    "an output": (None, "The output exceeds the maximum length of a response"),
    "tools": ("array_above_max_length", "Invalid 'tools': array too long. Expected at most 128 elements, but got 200."),
    "a day's limit": (None, "daily token limit exceeded"),
    "a long sound": (None, "The audio input exceeds the maximum length of 1500 seconds"),
    "a large picture": (None, "Image input exceeds the maximum size"),
    "images": (None, "The number of images in your request exceeds the limit of 5"),
    "a plan": (None, "Token limit exceeded for your plan"),
    "a time": (None, "request timed out: it took too long"),
    "an output that has a limit": (None, "The output exceeds the token limit"),
    "a key": (None, "Your API key has exceeded its token budget"),
    "output tokens": (None, "max_tokens must be less than or equal to 8192"),
    "nothing": (None, ""),
}


@shows("too-long-by-any-words")
@pytest.mark.parametrize("status", [400, 413, 422, 500, 503])
@pytest.mark.parametrize(("code", "words"), TOO_LONG.values(), ids=TOO_LONG)
def test_an_input_that_is_too_long_is_recognised(code: str | None, words: str, status: int) -> None:
    body = json.dumps({"error": {"message": words, "type": code, "code": status}}).encode()
    error = reply_error(status, {}, body, key="none")
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "input")
    assert words in error.message
    assert not error.retriable


@shows("too-long-by-any-words", "too-long-amid")
@pytest.mark.parametrize(("code", "words"), TOO_LONG.values(), ids=TOO_LONG)
def test_an_input_that_is_too_long_is_recognised_amid_a_stream(code: str | None, words: str) -> None:
    error = reported_error(read_error({"error": {"message": words, "code": code}}))
    assert error.code == "context_length_exceeded"
    assert error.response_error().code == "context_length_exceeded"


def test_a_body_that_is_too_large_without_a_word_is_too_long() -> None:
    assert reply_error(413, {}, b"", key="none").code == "context_length_exceeded"
    assert reply_error(413, {}, b"<html><h1>413 Request Entity Too Large</h1></html>", key="none").code
    assert reply_error(413, {}, b'{"error": "boom"}', key="none").code is None


@shows("too-long-by-any-words")
@pytest.mark.parametrize(("code", "words"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_only_sounds_alike_is_something_else(code: str | None, words: str) -> None:
    assert not is_too_long(words, code)
    body = json.dumps({"error": {"message": words, "code": code}}).encode()
    assert reply_error(400, {}, body, key="none").code != "context_length_exceeded"


def test_as_much_of_a_message_is_read_as_may_be() -> None:
    assert is_too_long("x" * 3_000 + " prompt is too long")
    assert not is_too_long("x" * 4_000 + " prompt is too long")


def test_the_words_stay() -> None:
    assert isinstance(reported_error(read_error("prompt is too long")), ApiError)
