"""The key that seals, as the command line keeps it: made once, agreed upon by all, and never lost in silence."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.secrets import Secret
from penstock.settings import Settings, SettingsError, read_seal_keys
from penstock_adapters import drivers
from penstock_adapters import state_directory as state_module
from penstock_adapters.cli import main
from penstock_adapters.state_directory import with_seal_keys
from requirements import shows
from support.server import environment

NEW, OLD = "A" * 42 + "E", "B" * 42 + "E"


@pytest.fixture
def key_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the file will be."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "penstock" / "seal.keys"


def keys(settings: Settings | None = None) -> list[str]:
    return [key.reveal() for key in with_seal_keys(settings or Settings()).seal_keys]


def test_a_key_is_made_and_stored(key_file: Path) -> None:
    [key] = keys()
    assert len(read_seal_keys([Secret(key)], "x")[0]) == 32
    assert key_file.read_text() == f"{key}\n"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key_file.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in key_file.parent.iterdir()] == [key_file.name]
    assert keys() == [key], "the second start"


def test_keys_that_are_set_are_used_and_none_is_made(key_file: Path) -> None:
    assert keys(Settings(seal_keys=[Secret(NEW)])) == [NEW]
    assert not key_file.exists()


def test_several_are_rotated_in_the_file(key_file: Path) -> None:
    key_file.parent.mkdir()
    key_file.write_text(f"# since May\n{NEW}\n\n{OLD}\n")
    assert keys() == [NEW, OLD]


def test_those_that_start_at_once_agree(key_file: Path) -> None:
    script = (
        "from penstock.settings import Settings\n"
        "from penstock_adapters.state_directory import with_seal_keys\n"
        "input()\n"
        "print(with_seal_keys(Settings()).seal_keys[0].reveal())"
    )
    env = environment() | {"XDG_STATE_HOME": str(key_file.parents[1])}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env}
    racers = [subprocess.Popen([sys.executable, "-c", script], **pipes) for _ in range(4)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    result = [racer.communicate(timeout=30)[0] for racer in racers]
    assert result == [key_file.read_text()] * 4


def test_the_second_process_uses_the_key_of_the_first(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file comes to be between the look and the writing."""

    def late(*args: Any) -> str:
        key_file.parent.mkdir(parents=True)
        key_file.write_text(OLD)
        return NEW

    monkeypatch.setattr(state_module, "new_seal_key", late)
    assert keys() == [OLD]
    assert [each.name for each in key_file.parent.iterdir()] == [key_file.name]


DAMAGED = {
    "there is no key in it": b"\n# nothing\n",
    "it is damaged": b"\xff\xfe",
    "a key for sealing is 32 bytes in URL-safe base64": b"sk-not-a-key\n",
    "[1]: a key for sealing is 32 bytes": f"{NEW}\nsk-half".encode(),
}


@pytest.mark.parametrize("problem", DAMAGED)
def test_a_damaged_file_is_reported_in_one_line(
    key_file: Path, capsys: pytest.CaptureFixture[str], problem: str
) -> None:
    key_file.parent.mkdir()
    key_file.write_bytes(DAMAGED[problem])
    code = main(["serve", "--port", "0", "--store", "none://"])
    result = capsys.readouterr().err
    assert (code, result.count("\n")) == (2, 1)
    assert result.startswith(f"penstock: {key_file}")
    assert problem in result
    assert "sk-" not in result
    assert key_file.read_bytes() == DAMAGED[problem], "the file is not changed"


def test_an_unreadable_file_is_reported_in_one_line(key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_file.mkdir(parents=True)
    assert main(["serve", "--port", "0", "--store", "none://"]) == 2
    result = capsys.readouterr().err
    assert result.startswith(f"penstock: {key_file}: it cannot be read: ")
    assert result.count("\n") == 1


def test_where_nothing_can_be_stored_the_server_still_has_a_key(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key_file.parent.write_text("in the way")
    [key] = keys()
    assert len(key) == 43
    result = capsys.readouterr().err
    assert "cannot store a key" in result
    assert key not in result
    assert keys() != [key]


@shows("no-cryptography")
def test_without_the_package_none_is_made(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "find_spec", lambda name: None)
    assert keys() == []
    assert not key_file.parent.exists()


def test_a_new_one_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "seal"]) == 0
    output = capsys.readouterr()
    key = output.out.removesuffix("\n")
    assert len(read_seal_keys([Secret(key)], "x")[0]) == 32
    assert key not in output.err
    assert "PENSTOCK_SEAL_KEYS" in output.err


@pytest.mark.parametrize("argv", [["new"], ["seal", "alice"]], ids=" ".join)
def test_a_name_is_for_those_that_have_an_owner(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["keys", *argv])
    assert end.value.code == 2
    assert "NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "correct horse battery staple", "a" * 64, NEW[:-1], NEW + "A", NEW[:-1] + "F", NEW[:-2] + "+E"]
)
def test_no_other_form_is_a_key(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_seal_keys([Secret(text)], "seal_keys")
    assert str(caught.value).startswith("seal_keys: a key for sealing is 32 bytes in URL-safe base64")
    assert not text or text not in str(caught.value)


def test_no_key_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.setenv("PENSTOCK_SEAL_KEYS", f"{NEW},{OLD}")
    assert main(["config"]) == 0
    output = capsys.readouterr()
    assert 'seal_keys = ["<redacted>","<redacted>"]' in output.out
    assert NEW not in output.out + output.err


def test_keys_without_the_package_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "find_spec", lambda name: None)
    assert drivers.create_asgi_app(Settings())
    with pytest.raises(SettingsError, match=r"cryptography is not installed: pip install 'penstock\[server\]'"):
        drivers.create_asgi_app(Settings(seal_keys=[Secret(NEW)]))


def test_a_wrong_key_in_code_is_reported_as_one_in_a_file() -> None:
    with pytest.raises(SettingsError, match="seal_keys: a key for sealing"):
        drivers.create_asgi_app(Settings(seal_keys=[Secret("sk-wrong")]))
