"""The body of a coding agent's turn, about 81 kB: what Codex sends, in form and in size, with made-up words.

Of it, 30 kB are instructions and 27 kB are tools, both the same in each turn; the rest is the conversation so far,
which grows by 2.5 kB with each call of a tool.
"""

from itertools import chain, cycle, islice
from typing import Any

Json = dict[str, Any]

WORDS = (
    "read the file before you change it and run its tests after each step then say what was done in plain words "
    "never guess a name that can be looked up and keep the change small enough to be read in one sitting"
).split()
LINE_WORDS = 18
INSTRUCTIONS_CHARS = 30_000
DESCRIPTION_CHARS = 600
TOOLS = 20
STEPS = 8
OUTPUT_CHARS = 2_300


def prose(chars: int) -> str:
    """Return `chars` characters of text in lines."""
    words = cycle(WORDS)
    text = ""
    while len(text) < chars:
        text += " ".join(islice(words, LINE_WORDS)) + "\n"
    return text[:chars]


def tool(number: int) -> Json:
    """Return one function with six parameters."""
    names = [f"{WORDS[(number + index) % len(WORDS)]}_{index}" for index in range(6)]
    properties: Json = {name: {"type": "string", "description": prose(60)} for name in names[:4]}
    properties[names[4]] = {"type": "array", "items": {"type": "string"}, "maxItems": 16}
    properties[names[5]] = {"type": "object", "properties": {"line": {"type": "integer"}}, "required": ["line"]}
    schema = {"type": "object", "properties": properties, "required": names[:2], "additionalProperties": False}
    head = {"type": "function", "name": f"tool_{number}", "description": prose(DESCRIPTION_CHARS)}
    return head | {"strict": False, "parameters": schema}


def message(role: str, text: str) -> Json:
    """Return a message of the input."""
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def step(number: int) -> tuple[Json, Json]:
    """Return a call of a tool and its output."""
    call_id = f"call_{number:024d}"
    arguments = f'{{"file_0": "core/module_{number}.py", "run_1": "all"}}'
    call = {"type": "function_call", "call_id": call_id, "name": f"tool_{number}", "arguments": arguments}
    return call, {"type": "function_call_output", "call_id": call_id, "output": prose(OUTPUT_CHARS)}


def agent_turn(steps: int = STEPS) -> Json:
    """Return the body after `steps` calls of tools; the model, `store` and `stream` are still to be added."""
    opening = [message("developer", prose(1_500)), message("user", prose(800))]
    return {
        "instructions": prose(INSTRUCTIONS_CHARS),
        "input": [*opening, *chain.from_iterable(map(step, range(steps)))],
        "tools": [tool(number) for number in range(TOOLS)],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "bench-agent",
    }
