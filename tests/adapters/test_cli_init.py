"""`penstock init`: what each client's files are after it, and that nothing of a user's own is lost."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from penstock_adapters.cli import main
from requirements import shows

CONFIG = """# my own
model = "gpt-5"   # the best

[model_providers.other]
name = "Other"

[projects."/a"]
trust_level = "trusted"
"""
CONTINUE = """# my own
name: Mine
models:
  - name: Local   # small
    provider: ollama
    model: llama3.2
  - name: Penstock
    provider: openai
    model: old
rules: []
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any client's files, and an environment without settings."""
    for name in (*(name for name in os.environ if name.startswith("PENSTOCK_")), "CODEX_HOME", "OPENCODE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CONFIG_HOME", "CONTINUE_GLOBAL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(home: Path) -> dict[str, str]:
    return {str(path.relative_to(home)): path.read_text() for path in sorted(home.rglob("*")) if path.is_file()}


def init(*argv: str) -> int:
    return main(["init", *argv])


@shows("init-merges")
def test_codex_gets_a_provider_and_a_profile(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init("codex", "--host", "0.0.0.0", "--allow-anonymous", "--port", "9000") == 0
    written = files(home)
    provider = {"name": "OpenAI", "base_url": "http://127.0.0.1:9000/v1", "wire_api": "responses"}
    assert {name: tomllib.loads(text) for name, text in written.items()} == {
        ".codex/config.toml": {"model_providers": {"penstock": provider | {"supports_websockets": True}}},
        ".codex/penstock.config.toml": {"model": "synthetic", "model_provider": "penstock"},
    }
    assert "codex --profile penstock" in capsys.readouterr().err


@shows("init-merges")
def test_a_file_that_exists_is_merged_and_backed_up(home: Path) -> None:
    config = home / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text(CONFIG)
    config.chmod(0o600)
    assert init("codex", "--model", "mine") == 0
    merged = config.read_text()
    assert [line for line in CONFIG.splitlines() if line not in merged.splitlines()] == []
    before, after = tomllib.loads(CONFIG), tomllib.loads(merged)
    assert after["model_providers"].pop("penstock")["name"] == "OpenAI"
    assert after == before
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    [backup] = config.parent.glob("config.toml.*.bak")
    assert backup.read_text() == CONFIG
    assert tomllib.loads((home / ".codex" / "penstock.config.toml").read_text())["model"] == "mine"


def test_a_second_time_nothing_is_written(home: Path) -> None:
    init("codex")
    once = files(home)
    assert init("codex") == 0
    assert files(home) == once


def test_what_changed_since_is_replaced(home: Path) -> None:
    init("codex", "--port", "1", "--model", "one")
    profile_file = home / ".codex" / "penstock.config.toml"
    profile_file.write_text(f"{profile_file.read_text()}\n[tui]\nanimations = false\n")
    init("codex", "--port", "2", "--model", "two")
    config = tomllib.loads((home / ".codex" / "config.toml").read_text())
    assert config["model_providers"]["penstock"]["base_url"] == "http://127.0.0.1:2/v1"
    profile = tomllib.loads(profile_file.read_text())
    assert profile == {"model": "two", "model_provider": "penstock", "tui": {"animations": False}}


def test_a_link_stays_a_link(home: Path) -> None:
    (home / ".codex").mkdir()
    (home / "dotfiles.toml").write_text(CONFIG)
    link = home / ".codex" / "config.toml"
    link.symlink_to(home / "dotfiles.toml")
    assert init("codex") == 0
    assert link.is_symlink()
    assert "penstock" in tomllib.loads((home / "dotfiles.toml").read_text())["model_providers"]


@shows("init-merges")
@pytest.mark.parametrize(
    "text",
    ["model = ", "model = 1\nmodel = 2", "model_providers = 1", "[model_providers]\npenstock = 1", "\ufeff[", "a\0b"],
)
def test_a_file_that_cannot_be_merged_is_not_changed(home: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    config = home / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text(text)
    assert init("codex") == 2
    assert files(home) == {".codex/config.toml": text}
    assert capsys.readouterr().err.startswith(f"penstock: {config}: ")


@pytest.mark.parametrize(
    "text",
    [
        "model_providers = { other = { name = 'Other' } }\n",
        "model_providers.other.name = 'Other'\n[tui]\nx = 1\n",
        "[model_providers.penstock]\nname = 'Penstock'\nextra = 1\n[tui]\nx = 1\n[model_providers.other]\nname = 'z'\n",
        "[[hooks]]\na = 1\n[[hooks]]\na = 2",
    ],
)
def test_tables_in_any_style_are_merged(home: Path, text: str) -> None:
    config = home / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text(text)
    assert init("codex") == 0
    after, before = tomllib.loads(config.read_text()), tomllib.loads(text)
    provider = after["model_providers"].pop("penstock")
    stored = before.get("model_providers", {}).pop("penstock", {})
    assert provider["name"] == "OpenAI"
    assert provider.get("extra") == stored.get("extra")
    assert after == {"model_providers": {}} | before


@shows("init-merges")
def test_it_prints_what_it_would_write(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init("codex", "--print") == 0
    assert files(home) == {}
    printed = capsys.readouterr()
    init("codex")
    assert printed.out == "".join(files(home).values())
    assert [line.split(": ")[1] for line in printed.err.splitlines()[:2]] == ["new", "new"]


def test_the_key_is_named_and_never_written(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_API_KEYS", "sk-secret")
    for client in ("codex", "opencode", "continue", "litellm", "env"):
        assert init(client) == 0
    printed = capsys.readouterr()
    text = "".join(files(home).values()) + printed.out
    assert "sk-secret" not in text + printed.err
    assert text.count("PENSTOCK_KEY") == 5
    assert "PENSTOCK_KEY" in printed.err


def test_the_clients_key_is_no_setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is started in the shell of a client has it set."""
    monkeypatch.setenv("PENSTOCK_KEY", "sk-1")
    assert init("codex") == 0


def test_opencode(home: Path) -> None:
    path = home / ".config" / "opencode" / "opencode.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"theme": "dark", "provider": {"other": {"npm": "x"}}}')
    assert init("opencode", "--model", "mine") == 0
    after: dict[str, Any] = json.loads(path.read_text())
    assert after["theme"] == "dark"
    assert after["provider"]["other"] == {"npm": "x"}
    assert after["provider"]["penstock"] == {
        "npm": "@ai-sdk/openai",
        "name": "Penstock",
        "options": {"baseURL": "http://127.0.0.1:8080/v1", "apiKey": "unused"},
        "models": {"mine": {"name": "mine"}},
    }


def test_continue(home: Path) -> None:
    path = home / ".continue" / "config.yaml"
    path.parent.mkdir()
    path.write_text(CONTINUE)
    assert init("continue", "--model", "mine") == 0
    after = YAML(typ="safe").load(path.read_text())
    assert after["name"] == "Mine"
    assert [model["model"] for model in after["models"]] == ["llama3.2", "mine"]
    assert after["models"][1]["apiBase"] == "http://127.0.0.1:8080/v1"
    assert [line for line in CONTINUE.splitlines() if line not in path.read_text().splitlines()] == ["    model: old"]


def test_litellm(home: Path) -> None:
    assert init("litellm", "--model", "mine") == 0
    after = YAML(typ="safe").load((home / "litellm_config.yaml").read_text())
    [entry] = after["model_list"]
    assert entry["model_name"] == "mine"
    assert entry["litellm_params"]["api_base"] == "http://127.0.0.1:8080/v1"


def test_variables_for_the_sdks(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init("env") == 0
    assert capsys.readouterr().out == (
        "export OPENAI_BASE_URL=http://127.0.0.1:8080/v1\nexport OPENAI_API_KEY=unused\n"
    )
    assert files(home) == {}
