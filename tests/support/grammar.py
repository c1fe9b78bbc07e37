"""The grammar of a stream, and its fold: what opens, grows, closes, adds up. Independent of the server.

Knows events as plain JSON. Never looks at shapes: `oracle.py` does that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

# Where the events of a part state that it stands, and in which list of its item it ends up.
PARTS = {
    "response.content_part": ("content_index", "content"),
    "response.reasoning_summary_part": ("summary_index", "summary"),
}
# What a `.delta` and its `.done` contain: the key of the text, and the index of the part that holds it, if any.
TEXTS = {
    "response.output_text": ("text", "content_index"),
    "response.refusal": ("refusal", "content_index"),
    "response.reasoning_text": ("text", "content_index"),
    "response.reasoning_summary_text": ("text", "summary_index"),
    "response.function_call_arguments": ("arguments", None),
    "response.mcp_call_arguments": ("arguments", None),
    "response.custom_tool_call_input": ("input", None),
    "response.code_interpreter_call_code": ("code", None),
}
# The events of single commands.
COMMANDS = {"response.shell_call_command", "response.shell_call_output_content"}
# What must be sent in events before an item or part of this type may close as completed.
REQUIRED_EVENTS = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_text": "text",
    "summary_text": "text",
    "function_call": "arguments",
    "mcp_call": "arguments",
    "custom_tool_call": "input",
}
IDENTITY = ("id", "type", "role", "call_id", "name", "namespace", "server_label")

AT_ONCE = {
    "mcp_approval_request": ["arguments"],
    "tool_search_call": ["arguments"],
    "tool_search_output": ["tools"],
    "additional_tools": ["tools"],
}
"""What stands in an item from its beginning on, though other types of items get it by events."""
NEVER_INCOMPLETE = {"apply_patch_call"}
"""Types of items for which OpenAI has no such status: one that was cut stays in progress."""

CREATED, QUEUED, IN_PROGRESS = "response.created", "response.queued", "response.in_progress"
TERMINAL = ("response.completed", "response.incomplete", "response.failed")
NEXT = {
    "": (CREATED,),
    CREATED: (QUEUED, IN_PROGRESS),
    QUEUED: (IN_PROGRESS, *TERMINAL),
    IN_PROGRESS: TERMINAL,
}
STATUS = {name: (name.removeprefix("response."),) for name in (QUEUED, IN_PROGRESS, *TERMINAL)} | {
    CREATED: ("queued", "in_progress")
}
# What may change between two snapshots of one response.
MOVING = {"status", "output", "usage", "completed_at", "error", "incomplete_details", "service_tier"}


class GrammarError(AssertionError):
    """The stream contains what no stream may contain."""


def need(condition: object, message: str) -> None:
    if not condition:
        raise GrammarError(message)


@dataclass
class Holder:
    """Something whose text grows: a part, or an item with a text of its own."""

    value: Json
    settled: set[str] = field(default_factory=set)
    closed: bool = False

    def append(self, key: str, event: Json) -> None:
        need(key not in self.settled and not self.closed, f"{key} grows after it was done")
        need(event["delta"], "an empty delta")
        self.value[key] = (self.value.get(key) or "") + event["delta"]
        if event.get("logprobs"):
            self.value["logprobs"] = [*self.value.get("logprobs", ()), *event["logprobs"]]

    def settle(self, key: str, event: Json) -> None:
        need(key not in self.settled and not self.closed, f"{key} is done twice")
        need(
            event[key] == (self.value.get(key) or ""),  # code begins as null
            f"{key} is done as {event[key]!r}, it grew to {self.value.get(key)!r}",
        )
        if "logprobs" in event:
            self._same_logprobs(event)
        self.settled.add(key)

    def annotate(self, event: Json) -> None:
        annotations = self.value.get("annotations", [])
        need("text" not in self.settled, "an annotation after the text was done")
        need(event["annotation_index"] == len(annotations), "annotation_index is not the next one")
        self.value["annotations"] = [*annotations, event["annotation"]]

    def close(self, final: Json, keys: Iterable[str]) -> None:
        """The final form must be what the events contained, key by key."""
        need(not self.closed, "closed twice")
        reply = REQUIRED_EVENTS.get(self.value["type"])
        need(
            reply is None or reply in self.settled or final.get("status") == "incomplete",
            f"{reply} was never done",
        )
        for key in keys:
            need((final.get(key) or None) == (self.value.get(key) or None),
                 f"{key} is {final.get(key)!r} at the end, reported was {self.value.get(key)!r}")  # fmt: skip
        self._same_logprobs(final)
        self.value, self.closed = final, True

    def _same_logprobs(self, final: Json) -> None:
        """Deltas have them without `bytes` in OpenAI's own streams."""
        result, last = ([(one["token"], one["logprob"]) for one in owner.get("logprobs") or ()]
                      for owner in (self.value, final))  # fmt: skip
        need(result == last, f"logprobs are {last} at the end, reported was {result}")


class Commands:
    """The commands of a shell call, or what those of a call gave back, one after the other."""

    def __init__(self, item: Json) -> None:
        self.kind = item["type"]
        self.holders: list[Holder] = []
        self.outputs: list[Json] = []

    def read(self, stem: str, verb: str, event: Json) -> None:
        need(event["command_index"] in range(len(self.holders) + 1), "command_index skips one")
        if event["command_index"] == len(self.holders):
            need(all(holder.settled for holder in self.holders), "a command begins within another")
            need(verb == "added" or stem == "response.shell_call_output_content", "the command was never added")
            self.holders.append(Holder({"type": "command", "command": "", "stdout": "", "stderr": ""}))
        else:
            need(verb != "added", "the command is added twice")
        holder = self.holders[event["command_index"]]
        if stem == "response.shell_call_command" and verb != "added":
            (holder.append if verb == "delta" else holder.settle)("command", event)
        elif verb == "delta":
            for stream, text in event["delta"].items():
                if text:
                    holder.append(stream, {"delta": text})
        elif verb == "done":
            for stream in ("stdout", "stderr"):
                holder.settle(stream, {stream: "".join(output[stream] for output in event["output"])})
            self.outputs += event["output"]

    def close(self, item: Json) -> None:
        whole = [holder.value["command"] for holder in self.holders if holder.settled]
        need(self.kind != "shell_call" or item["action"]["commands"] == whole, f"whole commands were {whole}")
        result = not self.holders or self.outputs == item.get("output")
        is_cut = item.get("status") == "incomplete"
        need(self.kind != "shell_call_output" or result or is_cut, f"the outputs reported were {self.outputs}")
        need(is_cut or all(holder.settled for holder in self.holders), "a command was never done")


class ItemReading(Holder):
    """One output item and its parts."""

    def __init__(self, item: Json) -> None:
        super().__init__(dict(item))
        self.parts: dict[str, list[Holder]] = {}
        self.commands = Commands(item)

    def open_part(self, index_key: str, event: Json) -> None:
        parts = self.parts.setdefault(index_key, [])
        need(event[index_key] == len(parts), f"{index_key} is not the next one")
        part = dict(event["part"])
        need(not part.get("text") and not part.get("refusal"), "a part opens with text in it")
        parts.append(Holder(part))

    def part(self, index_key: str, event: Json) -> Holder:
        parts = self.parts.get(index_key, [])
        need(event[index_key] < len(parts), f"no part was opened at {index_key} {event[index_key]}")
        return parts[event[index_key]]

    def close_item(self, item: Json) -> None:
        need(
            all(part.closed for parts in self.parts.values() for part in parts),
            "the item closes over an open part",
        )
        for index_key, name in PARTS.values():
            self.value[name] = [part.value for part in self.parts.get(index_key, ())]
        grown = [key for key, index_key in TEXTS.values() if index_key is None]
        whole = AT_ONCE.get(item["type"], [])
        self.close(item, [*IDENTITY, *(name for _, name in PARTS.values()), *grown, *whole])
        need(
            item.get("status") != "in_progress" or item["type"] in NEVER_INCOMPLETE,
            "the item closes in progress",
        )
        self.commands.close(item)


class Reading:
    """One stream, event by event."""

    def __init__(self) -> None:
        self.items: list[ItemReading] = []
        self.state = ""
        self.count = 0
        self.response: Json = {}
        self.last_word = ""

    def read(self, event: Json) -> None:
        try:
            need(event["sequence_number"] == self.count, f"sequence_number is not {self.count}")
            need(self.state not in TERMINAL, "an event after the terminal one")
            self._read(event["type"], event)
        except (GrammarError, KeyError) as broken:
            raise GrammarError(f"event {self.count}, {event.get('type')}: {broken}") from broken
        self.count += 1

    def end(self) -> Json:
        """The fold: the last snapshot, with the output that the events contained."""
        need(self.state in TERMINAL, f"the stream ends in state {self.state!r}")
        return self.response | {"output": [item.value for item in self.items]}

    def _read(self, name: str, event: Json) -> None:
        stem, _, verb = name.rpartition(".")
        if name in STATUS:
            return self._read_snapshot(name, event["response"])
        need(self.state == IN_PROGRESS, "before the response is in progress")
        need(not self.last_word, f"only the terminal event may follow {self.last_word}")
        if name in {"error", "response.usage"}:
            self.last_word = name
        elif stem == "response.output_item":
            self._read_item(verb, event)
        elif stem in PARTS:
            self._read_part(stem, verb, event)
        elif stem == "response.output_text.annotation":
            self._open_item(event).part("content_index", event).annotate(event)
        elif stem in TEXTS:
            self._read_text(stem, verb, event)
        elif "output_index" in event:
            self._read_other(stem, verb, event)
        return None

    def _read_other(self, stem: str, verb: str, event: Json) -> None:
        item = self._open_item(event)
        if stem in COMMANDS:
            item.commands.read(stem, verb, event)

    def _read_snapshot(self, name: str, response: Json) -> None:
        need(name in NEXT[self.state], f"{name} after {self.state or 'nothing'}")
        need(response["status"] in STATUS[name], f"its response's status is {response['status']}")
        need(self.last_word != "error" or name == "response.failed", "an error, and yet no failure")
        changed = [key for key in self.response if self.response[key] != response.get(key, ...)]
        need(set(changed) <= MOVING, f"{changed} changed from one snapshot to the next")
        if name in TERMINAL:
            need(all(item.closed for item in self.items), "the response ends over an open item")
        result = [item.value for item in self.items]
        need(response["output"] == result, f"its response's output is {response['output']}, reported was {result}")
        self.state, self.response = name, response

    def _read_item(self, verb: str, event: Json) -> None:
        item = event["item"]
        if verb == "added":
            need(event["output_index"] == len(self.items), "output_index is not the next one")
            need(item["id"] not in [other.value["id"] for other in self.items], "the item's id is taken")
            need(
                not any(item.get(key) for key in {"content", "arguments", "input"} - {*AT_ONCE.get(item["type"], ())}),
                "an item opens with text in it",
            )
            self.items.append(ItemReading(item))
        else:
            self._open_item(event | {"item_id": item["id"]}).close_item(item)

    def _read_part(self, stem: str, verb: str, event: Json) -> None:
        index_key, _ = PARTS[stem]
        item = self._open_item(event)
        if verb == "added":
            item.open_part(index_key, event)
        else:
            item.part(index_key, event).close(event["part"], event["part"].keys() - {"logprobs"})

    def _read_text(self, stem: str, verb: str, event: Json) -> None:
        key, index_key = TEXTS[stem]
        item = self._open_item(event)
        need(event.get("name", item.value.get("name")) == item.value.get("name"), "the name is not the item's")
        holder = item if index_key is None else item.part(index_key, event)
        (holder.append if verb == "delta" else holder.settle)(key, event)

    def _open_item(self, event: Json) -> ItemReading:
        index = event["output_index"]
        need(index < len(self.items), f"no item was opened at output_index {index}")
        item = self.items[index]
        need(not item.closed, "the item is closed")
        need(
            event.get("item_id", item.value["id"]) == item.value["id"],
            "item_id is not that of its output_index",
        )
        return item


def fold(events: Iterable[Json]) -> Json:
    """What the stream adds up to: the response that a JSON reply would be."""
    reading = Reading()
    for event in events:
        reading.read(event)
    return reading.end()
