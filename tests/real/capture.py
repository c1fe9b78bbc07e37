"""Makes `tests/transcripts/upstream/llama_cpp_*` anew: the bytes that a real server sends.

Run in `tests/` by the Python of `.venv`: `python -m real.capture`. Every body is stored byte for byte, but
for the checkout's own path, which errors contain. Ids and times differ from run to run; little else does.
"""

from __future__ import annotations

import http.client
import json
import platform
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from real.llama_server import CONTEXT_TOKENS, MODEL, NO_END, REQUIREMENTS, ROOT, LlamaServer

HALF_CHARACTER = str(3 + 0xA9)  # the token of a byte that begins no character, as tiny_gguf.py has it
UPSTREAM = ROOT / "tests" / "transcripts" / "upstream"
ALL = "llama_cpp_*"
Json = dict[str, Any]

ANSWER = {
    "type": "object",
    "properties": {"city": {"enum": ["Zürich"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"name": "get_weather", "description": "Tells the weather.", "parameters": ANSWER}
TOOLS = [{"type": "function", "function": WEATHER}]
FORCED = {"type": "function", "function": {"name": "get_weather"}}
SCHEMA = {"name": "answer", "strict": True, "schema": ANSWER}


def ask(text: str, **more: Any) -> Json:
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 24} | more


# Each is asked twice: for a stream, then for a body.
CASES: dict[str, Json] = {
    "text": ask("Hi"),
    "length": ask("Say hello.", max_tokens=8),
    "half_character": ask("Count to ten", max_tokens=10, logit_bias={HALF_CHARACTER: 7}),
    "tools_auto": ask("Count to ten", tools=TOOLS, tool_choice="auto"),
    "tool_forced": ask("Hi", tools=TOOLS, tool_choice=FORCED, max_tokens=48),
    "tool_forced_cut": ask("Hi", tools=TOOLS, tool_choice=FORCED, max_tokens=6),
    "json_object": ask("Hi", response_format={"type": "json_object", "schema": ANSWER}, max_tokens=48),
    "logprobs": ask("Hi", logprobs=True, top_logprobs=2, max_tokens=4),
    "error_json_schema": ask("Hi", response_format={"type": "json_schema", "json_schema": SCHEMA}),
    "error_context_length": ask("a" * CONTEXT_TOKENS),
    "error_system_order": ask("Hi") | {"messages": [
        {"role": "user", "content": "Hi"}, {"role": "system", "content": "Be brief."},
    ]},
}  # fmt: skip


class Answer(NamedTuple):
    status: int
    body: bytes
    cut: bool
    """The connection ended before the body did."""

    def __str__(self) -> str:
        end = "cut" if self.cut else "whole"
        return f"HTTP {self.status}, {end}, {len(self.body)} bytes"


class Exchange:
    """One request on a connection of its own, and what has come back of it."""

    def __init__(self, url: str, method: str, path: str, body: Json | None = None) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        sent = None if body is None else json.dumps(body).encode()
        self._connection.request(method, parts.path + path, sent, {"content-type": "application/json"})
        self._reply = self._connection.getresponse()
        self._begun = b""

    def begin(self) -> None:
        """Waits for the first bytes of the body."""
        self._begun = self._reply.read1()

    def answer(self) -> Answer:
        try:
            return Answer(self._reply.status, self._begun + self._reply.read(), cut=False)
        except http.client.IncompleteRead as short:
            return Answer(self._reply.status, self._begun + short.partial, cut=True)
        finally:
            self._reply.close()
            self._connection.close()


def chat(url: str, body: Json) -> Answer:
    return Exchange(url, "POST", "/chat/completions", body).answer()


def interrupted(url: str) -> Answer:
    """By its defaults this server ends a running stream as soon as another request comes."""
    endless = ask("Say hello.", stream=True, max_tokens=900, logit_bias=NO_END)
    stream = Exchange(url, "POST", "/chat/completions", endless)
    stream.begin()
    Exchange(url, "GET", "/models").answer()
    return stream.answer()


def main() -> None:
    UPSTREAM.mkdir(parents=True, exist_ok=True)
    with LlamaServer() as server:
        for old in UPSTREAM.glob(ALL):
            old.unlink()
        written = []
        for case, body in CASES.items():
            written += keep(case, ".sse", chat(server.url, body | {"stream": True, "stream_options": ASK_USAGE}))
            written += keep(case, ".json", chat(server.url, body))
        written += keep("interrupted", ".sse", interrupted(server.url))
    (UPSTREAM / "llama_cpp_VERSION.txt").write_text(ABOUT.format(pins=pins(), table="\n".join(written)))


ASK_USAGE = {"include_usage": True}
WHAT_DECIDES_THE_BYTES = ("fastapi", "llama-cpp-python", "numpy", "sse-starlette", "starlette", "uvicorn")


def keep(case: str, ending: str, answer: Answer) -> list[str]:
    """Writes it to a file and prints its name; an error is a body however it was asked for, an empty body no file."""
    if answer.status != 200 and ending == ".sse":
        return [f"{case} as a stream: {answer}, the same kind of body as without"]
    name = f"llama_cpp_{case}{ending}"
    if not answer.body:
        return [f"{case} as a stream: {answer}, not kept"]
    (UPSTREAM / name).write_bytes(answer.body.replace(f"{ROOT}/".encode(), b""))
    return [f"{name}: {answer}"]


def pins() -> str:
    lines = REQUIREMENTS.read_text().splitlines()
    return "\n".join(line for line in lines if line.partition("==")[0] in WHAT_DECIDES_THE_BYTES)


ABOUT = f"""\
What llama-cpp-python's server sends, byte for byte (paths in errors are told from the checkout).
Made by `python -m real.capture` in tests/, which holds the requests; the model is a random one, made by
tests/real/tiny_gguf.py. All streams but the interrupted one were asked with stream_options.include_usage;
that one was ended by the server because another client asked GET /v1/models meanwhile.

Python {platform.python_version()}
{{pins}}

{{table}}
"""

if __name__ == "__main__":
    main()
