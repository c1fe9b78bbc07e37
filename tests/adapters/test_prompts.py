"""Templates in a folder: what is found, what is read again, and that no name leads out of the folder."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.ports import PromptBroken
from penstock_adapters.prompts import PromptFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of templates, with a file beside it that no request may read."""
    (tmp_path / "outside.toml").write_text('instructions = "secret"')
    prompts = tmp_path / "prompts"
    (prompts / "greet").mkdir(parents=True)
    (prompts / "greet" / "1.toml").write_text('instructions = "Hi"')
    (prompts / "greet" / "2.0-b.toml").write_text("temperature = 0.5")
    (prompts / "greet" / "notes.txt").write_text("no template")
    (prompts / "greet" / ".hidden.toml").write_text("no template")
    return prompts


def versions(folder: Path, prompt_id: str) -> set[str]:
    return set(asyncio.run(PromptFolder(str(folder)).versions(prompt_id)))


def body(prompts: PromptFolder, prompt_id: str, version: str) -> object:
    return json.loads(asyncio.run(prompts.template(prompt_id, version)).body)


def test_versions_are_the_files(folder: Path) -> None:
    assert versions(folder, "greet") == {"1", "2.0-b"}
    assert versions(folder, "nobody") == set()
    assert versions(folder / "nowhere", "greet") == set()
    assert body(PromptFolder(str(folder)), "greet", "2.0-b") == {"temperature": 0.5}


ESCAPES = [
    *(
        "..",
        ".",
        "",
        "/",
        "greet/",
        "../prompts/greet",
        "greet/../../prompts/greet",
        "..\\prompts",
        "greet\n",
        "greet\0",
    ),
    *("%2e%2e", "~", ".hidden", "a" * 129, "grëet", "/etc"),
]


@pytest.mark.parametrize("prompt_id", ESCAPES)
def test_no_id_leads_out_of_the_folder(folder: Path, prompt_id: str) -> None:
    assert versions(folder, prompt_id) == set()
    with pytest.raises(ValueError, match="no template"):
        PromptFolder(str(folder)).template_now(prompt_id, "1")


@pytest.mark.parametrize("version", [*ESCAPES, "../outside", "../../outside"])
def test_no_version_leads_out_of_the_folder(folder: Path, version: str) -> None:
    assert version not in versions(folder, "greet")
    with pytest.raises(ValueError, match="no template"):
        PromptFolder(str(folder)).template_now("greet", version)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="./\\a~%\0greet", max_size=12))
def test_whatever_an_id_is_it_names_the_one_prompt_or_none(folder: Path, prompt_id: str) -> None:
    assert bool(PromptFolder(str(folder)).versions_now(prompt_id)) == (prompt_id == "greet")


def test_a_file_is_read_once_and_again_when_it_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, path, read = PromptFolder(str(folder)), folder / "greet" / "1.toml", []
    read_text = Path.read_text

    def counted(self: Path, encoding: str | None = None) -> str:
        read.append(self)
        return read_text(self, encoding)

    monkeypatch.setattr(Path, "read_text", counted)
    assert [body(prompts, "greet", "1") for _ in range(3)] == [{"instructions": "Hi"}] * 3
    assert read == [path]
    path.write_text('instructions = "Ho"')
    os.utime(path, ns=(1, 1))
    assert body(prompts, "greet", "1") == {"instructions": "Ho"}
    assert read == [path] * 2


@pytest.mark.parametrize(
    ("content", "mistake"), [(b"a = ", "not TOML"), (b"\xff", "not UTF-8"), (None, "it cannot be read: No such file")]
)
def test_a_broken_file_is_reported_by_name(folder: Path, content: bytes | None, mistake: str) -> None:
    path = folder / "greet" / "9.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PromptBroken, match=mistake) as caught:
        PromptFolder(str(folder)).template_now("greet", "9")
    assert str(caught.value).startswith(f"{path}: ")
