"""Tools whose calls are actions that the client carries out: what a client sends of each, and what it should get.

Knows the words of both APIs as plain JSON. Pure data.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]

SCREEN = "data:image/png;base64,AA=="
ATTACHED = "[1 attachment(s) of this result follow in the next user message]"


class Action(NamedTuple):
    """One family: its tool, a call of it and its output that a client sends back, and a new call."""

    tool: Json
    past: tuple[Json, Json]
    """As items; both of `call_a`."""
    read: tuple[str, str]
    """As the model gets it: the arguments of the call, and its output."""
    arguments: str
    """As the model writes them."""
    reported: Json
    """The item that the client should get, without ids and status."""


def exec_(*command: str, **more: Any) -> Json:
    return {"type": "exec", "command": list(command), "env": {}, **more}


def shell(*commands: str, **limits: int) -> Json:
    return {"commands": list(commands), "timeout_ms": None, "max_output_length": None} | limits


ACTIONS: dict[str, Action] = {
    "local_shell": Action(
        {"type": "local_shell"},
        (
            {
                "type": "local_shell_call",
                "id": "lsh_9",
                "call_id": "call_a",
                "status": "completed",
                "action": exec_("cat", "a.txt", working_directory="/tmp", timeout_ms=None),
            },
            {"type": "local_shell_call_output", "id": "call_a", "output": '{"stdout": "Hi"}'},
        ),
        ('{"command":["cat","a.txt"],"working_directory":"/tmp"}', '{"stdout": "Hi"}'),
        '{"command": ["grep", "-r", "Grüße"], "timeout_ms": "500", "env": {"LANG": "C"}}',
        {
            "type": "local_shell_call",
            "action": {"type": "exec", "command": ["grep", "-r", "Grüße"], "env": {"LANG": "C"}, "timeout_ms": 500},
        },
    ),
    "shell": Action(
        {"type": "shell", "environment": {"type": "local"}},
        (
            {"type": "shell_call", "call_id": "call_a", "action": shell("ls", "cat a.txt", timeout_ms=900)},
            {
                "type": "shell_call_output",
                "call_id": "call_a",
                "output": [
                    {"stdout": "a.txt\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
                    {"stdout": "", "stderr": "too slow", "outcome": {"type": "timeout"}},
                ],
            },
        ),
        (
            '{"commands":["ls","cat a.txt"],"timeout_ms":900}',
            "exit code: 0\nstdout:\na.txt\n\ntimed out\nstderr:\ntoo slow",
        ),
        '{"commands": ["ls -l \\"Grüße\\"", "pwd"], "max_output_length": 4096}',
        {
            "type": "shell_call",
            "action": shell('ls -l "Grüße"', "pwd", max_output_length=4096),
            "environment": {"type": "local"},
        },
    ),
    "apply_patch": Action(
        {"type": "apply_patch"},
        (
            {
                "type": "apply_patch_call",
                "call_id": "call_a",
                "status": "completed",
                "operation": {"type": "delete_file", "path": "old.py"},
            },
            {"type": "apply_patch_call_output", "call_id": "call_a", "status": "failed", "output": "No such file."},
        ),
        ('{"type":"delete_file","path":"old.py","diff":""}', "The patch could not be applied.\nNo such file."),
        '{"type": "update_file", "path": "a.py", "diff": "@@ def f():\\n-    a\\n+    b"}',
        {
            "type": "apply_patch_call",
            "operation": {"type": "update_file", "path": "a.py", "diff": "@@ def f():\n-    a\n+    b"},
        },
    ),
    "computer": Action(
        {"type": "computer"},
        (
            {
                "type": "computer_call",
                "id": "cu_9",
                "call_id": "call_a",
                "status": "completed",
                "actions": [{"type": "screenshot"}],
                "pending_safety_checks": [],
            },
            {
                "type": "computer_call_output",
                "call_id": "call_a",
                "output": {"type": "computer_screenshot", "image_url": SCREEN},
            },
        ),
        (
            '{"actions":[{"type":"screenshot"}]}',
            ATTACHED,
        ),
        '{"actions": [{"type": "click", "button": "left", "x": 5, "y": 7.0}, {"type": "type", "text": "Grüße"}]}',
        {
            "type": "computer_call",
            "actions": [{"type": "click", "button": "left", "x": 5, "y": 7}, {"type": "type", "text": "Grüße"}],
            "pending_safety_checks": [],
        },
    ),
    "computer_use_preview": Action(
        {"type": "computer_use_preview", "display_width": 800, "display_height": 600, "environment": "browser"},
        (
            {
                "type": "computer_call",
                "id": "cu_9",
                "call_id": "call_a",
                "status": "completed",
                "action": {"type": "keypress", "keys": ["CTRL", "L"]},
                "pending_safety_checks": [{"id": "sc_1", "code": "malicious", "message": "Is this yours?"}],
            },
            {
                "type": "computer_call_output",
                "call_id": "call_a",
                "acknowledged_safety_checks": [{"id": "sc_1", "code": "malicious", "message": "Is this yours?"}],
                "output": {"type": "computer_screenshot", "image_url": SCREEN},
            },
        ),
        (
            '{"action":{"type":"keypress","keys":["CTRL","L"]}}',
            f"The user has dispelled a doubt: Is this yours?\n{ATTACHED}",
        ),
        '{"action": {"type": "drag", "path": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}}',
        {
            "type": "computer_call",
            "action": {"type": "drag", "path": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]},
            "pending_safety_checks": [],
        },
    ),
}


def asked(action: Action) -> Json:
    """A request in mid-work: the question, a call and its output, and the tool."""
    return {"input": [{"role": "user", "content": "Please."}, *action.past], "tools": [action.tool]}
