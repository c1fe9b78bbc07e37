"""What README shows can be done: its commands are taken, its files are read, its programs run, its numbers are ours."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from penstock.limits import Limits
from penstock.settings import ConfigFile, KeySettings, Settings, load
from penstock.stores.memory import MemoryStore
from penstock_adapters.cli import _parser, main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
LIMITS = Limits()
MIB = 2**20
MEMORY = inspect.signature(MemoryStore).parameters


def blocks(language: str) -> list[str]:
    return [text for named, text in FENCES if named == language]


def commands() -> list[str]:
    """Every `penstock …` in a block or in the text, once."""
    lines = [line for language in ("console", "sh") for text in blocks(language) for line in text.splitlines()]
    spans = re.findall(r"`(?:\.venv/bin/)?(penstock [a-z][^`\n]*)`", README)
    said = [*(line.removeprefix("$ ").removeprefix(".venv/bin/") for line in lines), *spans]
    plain = [re.sub(r" &$| >>.*| +#.*", "", line) for line in said if line.startswith("penstock ")]
    return list(dict.fromkeys(plain))


@pytest.mark.parametrize("command", commands())
def test_a_command_is_taken(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that is none, or a word that is, would be refused."""
    words = [word for word in shlex.split(command)[1:] if word != "--help"]
    assert _parser().parse_args(words).command == words[0]
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: penstock {words[0]}")


def test_the_targets_of_make_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", README, re.MULTILINE))
    assert named >= {"serve", "test", "install", "bench"}
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_the_file_is_one() -> None:
    [text] = [text for text in blocks("toml") if text.startswith("# penstock.toml")]
    settings = load({}, {"EXAMPLE_API_KEY": "sk-1"}, ConfigFile("penstock.toml", text))
    assert [upstream.name for upstream in settings.upstreams] == ["vllm", "cloud"]
    assert settings.limits.idle_s == 300


def test_the_entry_of_a_key_has_its_fields() -> None:
    [text] = [text for text in blocks("toml") if text.startswith("[[keys]]")]
    [entry] = tomllib.loads(text)["keys"]
    assert entry.keys() == set(KeySettings.__struct_fields__)
    shown = text.replace("sha256:…", "sha256:" + "a" * 64)
    assert load({}, {}, ConfigFile("penstock.toml", shown)).has_keys


def test_the_template_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [text] = [text for text in blocks("toml") if text.startswith("# prompts/")]
    file = tmp_path / text.splitlines()[0].removeprefix("# ")
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    assert main(["prompts", "check", "--prompts", str(tmp_path / "prompts")]) == 0
    assert capsys.readouterr().out == "compare 2: that, this, trade\n"


def test_the_program_runs() -> None:
    [program] = [text for text in blocks("python") if "asyncio.run" in text]
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    lines = ran.stdout.splitlines()
    assert lines[0] != ""
    assert lines[-1].endswith("response.completed")


def test_what_it_mounts_is_an_app() -> None:
    [mounting] = [text for text in blocks("python") if "app.mount" in text]
    program = "\n".join(
        [
            "from starlette.applications import Starlette",
            "from starlette.testclient import TestClient",
            "from penstock import Settings",
            "app = Starlette()",
            mounting,
            "told = TestClient(app, base_url='http://localhost').post('/ai/v1/responses', json={'input': 'Hi'})",
            "assert told.json()['status'] == 'completed', told.text",
        ]
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_every_setting_that_is_named_is_one() -> None:
    known = {*Settings.__struct_fields__, *(f"limits.{name}" for name in Limits.__struct_fields__)}
    names = set(re.findall(r"`(limits\.[a-z_]+_(?:s|max))`", README))
    assert names <= known
    for name in re.findall(r"PENSTOCK_([A-Z_]+)", README):
        assert {name.lower(), name.lower().replace("limits_", "limits.", 1)} & {*known, "upstream", "key"}, name
    assert {"drain_s", "websocket", "seal_keys", "prompts", "api_keys", "allowed_hosts"} <= known


def test_every_link_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)\s]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif "://" not in target:
            assert (ROOT / target).exists(), target


AN_HOUR = {3_600.0: "It lasts an hour"}
NUMBERS = [
    f"at most {MEMORY['responses_max'].default:,} responses and {MEMORY['bytes_max'].default // MIB} MiB",
    f"kept for {LIMITS.retention_s / 86_400:g} days",
    f"not to be stored ({LIMITS.socket_recent_max}, or {LIMITS.socket_recent_bytes_max // MIB} MiB)",
    f"{AN_HOUR[LIMITS.socket_age_s]}, {LIMITS.socket_idle_s / 60:g} minutes without a word",
]


@pytest.mark.parametrize("told", NUMBERS)
def test_a_number_is_the_default(told: str) -> None:
    assert told in " ".join(README.split())
