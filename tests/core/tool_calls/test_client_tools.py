"""Tools whose calls are actions: what the model is offered, which arguments are an action, how history reads."""

from typing import Any

import msgspec
import pytest

from core.kit import Json, from_json, to_json
from core.replay import play_script
from penstock import wire
from penstock.tool_calls import CALLS, OFFERS, OUTPUTS, ActionCallFormat, FunctionDefinition
from support.actions import ACTIONS, SCREEN

each_family = pytest.mark.parametrize("name", ACTIONS)


def offered(tool: Json) -> tuple[FunctionDefinition, ActionCallFormat]:
    declared = from_json(tool, wire.Tool)
    [(offer, form)] = OFFERS[type(declared)](declared) or ()
    assert isinstance(form, ActionCallFormat)
    return offer, form


@each_family
def test_a_tool_is_offered_as_a_function_of_its_type(name: str) -> None:
    offer, _ = offered(ACTIONS[name].tool)
    schema = to_json(offer.parameters)
    assert offer.name == name
    assert offer.description
    assert schema["type"] == "object"
    assert not schema["additionalProperties"]
    assert set(schema["required"]) <= schema["properties"].keys()


@each_family
def test_a_call_of_it_is_reported_as_its_action(name: str) -> None:
    response = to_json(play_script(f"{name}_call").response)
    [item] = response["output"]
    assert (item.pop("status"), item.pop("call_id")) == ("completed", "call_b")
    assert item.pop("id").endswith("_1")
    assert {key: value for key, value in item.items() if value is not None} == _known(ACTIONS[name].reported)


def _known(item: Json) -> Json:
    return {key: value for key, value in item.items() if value is not None}


@each_family
def test_a_call_of_the_history_reads_as_the_model_wrote_it(name: str) -> None:
    call, _ = (from_json(item, wire.InputItem) for item in ACTIONS[name].past)
    read = CALLS[type(call)](call)
    assert (read.call_id, read.name, read.arguments) == ("call_a", name, ACTIONS[name].read[0])


@each_family
def test_what_a_call_is_reported_as_reads_as_an_equal_call(name: str) -> None:
    """The model sees its own call again: reading it once more gives the same action."""
    _, form = offered(ACTIONS[name].tool)
    action = form.read(ACTIONS[name].arguments)
    [item] = play_script(f"{name}_call").response.output  # type: ignore[union-attr]
    assert form.read(CALLS[type(item)](item).arguments) == action


OUTPUTS_READ: dict[str, tuple[Json, Any]] = {
    "a command by its call's id": ({"type": "local_shell_call_output", "id": "c", "output": "x"}, "x"),
    "a command by its call's call_id": (
        {"type": "local_shell_call_output", "id": "lsho_1", "call_id": "c", "output": "x"},
        "x",
    ),
    "commands": (
        {
            "type": "shell_call_output",
            "call_id": "c",
            "output": [
                {"stdout": "a\n", "stderr": "b\n", "outcome": {"type": "exit", "exit_code": 1}},
                {"stdout": "", "stderr": "", "outcome": {"type": "timeout"}},
            ],
        },
        "exit code: 1\nstdout:\na\nstderr:\nb\n\ntimed out",
    ),
    "no commands": ({"type": "shell_call_output", "call_id": "c", "output": []}, ""),
    "a patch": ({"type": "apply_patch_call_output", "call_id": "c", "status": "completed"}, "The patch was applied."),
    "a patch with a word": (
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "No such line."},
        "The patch could not be applied.\nNo such line.",
    ),
    "a screenshot": (
        {
            "type": "computer_call_output",
            "call_id": "c",
            "output": {"type": "computer_screenshot", "image_url": SCREEN},
        },
        [{"type": "input_image", "detail": "auto", "image_url": SCREEN}],
    ),
    "a screenshot after a doubt": (
        {
            "type": "computer_call_output",
            "call_id": "c",
            "output": {"type": "computer_screenshot", "file_id": "file_1"},
            "acknowledged_safety_checks": [{"id": "sc_1"}],
        },
        [
            {"type": "input_text", "text": "The user has dispelled a doubt: sc_1"},
            {"type": "input_image", "detail": "auto", "file_id": "file_1"},
        ],
    ),
}


@pytest.mark.parametrize(("item", "read"), OUTPUTS_READ.values(), ids=OUTPUTS_READ)
def test_an_output_reads(item: Json, read: Any) -> None:
    struct = from_json(item, wire.InputItem)
    output = OUTPUTS[type(struct)](struct)
    assert output.call_id == "c"
    assert to_json(output.content) == read


# Arguments.

CLICK: Json = {"type": "click", "button": "left", "x": 1, "y": 2}
UNDERSTOOD: dict[str, tuple[str, Json, Any]] = {
    "a command as a text": (
        "local_shell",
        {"command": "ls | wc"},
        {"type": "exec", "command": ["sh", "-c", "ls | wc"], "env": {}},
    ),
    "a key that nobody knows": (
        "local_shell",
        {"command": ["ls"], "why": "to see"},
        {"type": "exec", "command": ["ls"], "env": {}},
    ),
    "no environment": (
        "local_shell",
        {"command": ["ls"], "env": None, "user": None},
        {"type": "exec", "command": ["ls"], "env": {}, "user": None},
    ),
    "a single command": (
        "shell",
        {"commands": "ls"},
        {"commands": ["ls"], "timeout_ms": None, "max_output_length": None},
    ),
    "a number as a text": (
        "shell",
        {"commands": ["ls"], "timeout_ms": "5"},
        {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None},
    ),
    "an operation in its own object": (
        "apply_patch",
        {"operation": {"type": "create_file", "path": "a", "diff": "+a"}},
        {"type": "create_file", "path": "a", "diff": "+a"},
    ),
    "an empty file": (
        "apply_patch",
        {"type": "create_file", "path": "a"},
        {"type": "create_file", "path": "a", "diff": ""},
    ),
    "a file that goes": ("apply_patch", {"type": "delete_file", "path": "a"}, {"type": "delete_file", "path": "a"}),
    "one action for several": ("computer", {"action": CLICK}, [CLICK]),
    "several that are one": ("computer_use_preview", {"actions": [CLICK]}, CLICK),
}


@pytest.mark.parametrize(("name", "arguments", "action"), UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_other_forms_of_arguments_are_understood(name: str, arguments: Json, action: Any) -> None:
    _, form = offered(ACTIONS[name].tool)
    assert to_json(form.read(msgspec.json.encode(arguments).decode())) == action


REFUSED: dict[str, tuple[str, str]] = {
    "no JSON": ("shell", "ls"),
    "half a JSON": ("shell", '{"commands": ["ls"'),
    "half a surrogate pair": ("shell", '{"commands": ["\ud83d"]}'),
    "nested beyond all depth": ("shell", '{"commands":' + "[" * 100_000),
    "no command": ("local_shell", '{"command": []}'),
    "an empty command": ("local_shell", '{"command": ""}'),
    "no commands": ("shell", '{"commands": [""]}'),
    "a time that is none": ("shell", '{"commands": ["ls"], "timeout_ms": "soon"}'),
    "no path": ("apply_patch", '{"type": "delete_file", "path": ""}'),
    "no diff": ("apply_patch", '{"type": "update_file", "path": "a"}'),
    "an unknown operation": ("apply_patch", '{"type": "move_file", "path": "a"}'),
    "no actions": ("computer", '{"actions": []}'),
    "an unknown action": ("computer", '{"actions": [{"type": "dance"}]}'),
    "a click nowhere": ("computer", '{"actions": [{"type": "click", "button": "left"}]}'),
    "two actions of the older tool": (
        "computer_use_preview",
        '{"actions": [{"type": "wait"}, {"type": "screenshot"}]}',
    ),
}


@pytest.mark.parametrize(("name", "arguments"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_action_is_not_taken_for_one(name: str, arguments: str) -> None:
    _, form = offered(ACTIONS[name].tool)
    with pytest.raises(ValueError):
        form.read(arguments)


# Settings of the tools.


@pytest.mark.parametrize(
    "environment", [{"type": "container_auto"}, {"type": "container_reference", "container_id": "c"}]
)
def test_a_shell_elsewhere_is_not_offered(environment: Json) -> None:
    tool = from_json({"type": "shell", "environment": environment}, wire.Tool)
    assert OFFERS[wire.ShellTool](tool) is None


@pytest.mark.parametrize("fields", [{}, {"environment": None}, {"environment": {"type": "local"}}])
def test_a_shell_here_is_offered(fields: Json) -> None:
    assert offered({"type": "shell", **fields})[0].name == "shell"


def test_skills_of_the_machine_are_reported() -> None:
    skill = {"name": "pdf", "description": "Makes PDF files.", "path": "/skills/pdf"}
    offer, _ = offered({"type": "shell", "environment": {"type": "local", "skills": [skill]}})
    assert str(offer.description).endswith("\n- pdf (/skills/pdf): Makes PDF files.")


def test_the_size_of_the_screen_is_reported() -> None:
    offer, _ = offered(ACTIONS["computer_use_preview"].tool)
    assert "800 pixels wide and 600 high (browser)" in str(offer.description)
