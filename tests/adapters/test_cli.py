"""The command line, apart from serving: what it prints, and how it refuses."""

import asyncio
import hashlib
import os
import re
import socket
import sqlite3
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from conformance.kit import EXPIRED, LATER, conversation, response
from penstock.settings import Settings, make_key
from penstock.stores.sqlite import SqliteStore
from penstock_adapters.cli import main, maintenance
from penstock_adapters.cli.startup_banner import startup_banner
from requirements import shows

Outcome = tuple[int, str, str]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder, and no variable of ours."""
    for name in os.environ:
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> Outcome:
    code = main(argv)
    output = capsys.readouterr()
    return code, output.out, output.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--version")
    assert (code, out.split()[0], err) == (0, "penstock", "")


def test_a_missing_command_prints_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, out) == (2, "")
    assert "examples:" in err


@pytest.mark.parametrize("argv", [[], ["serve"], ["config"], ["init"], ["keys"], ["store"], ["prompts"]], ids=" ".join)
def test_help_has_examples(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*argv, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert "penstock serve --upstream http://127.0.0.1:11434/v1" in out
    assert max(map(len, out.splitlines())) <= 100


def test_config_prints_what_holds_and_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bare: Path
) -> None:
    (bare / "penstock.toml").write_text("port = 1\nmodel = 'file'\nlimits.idle_s = 1", encoding="utf-8-sig")
    monkeypatch.setenv("PENSTOCK_MODEL", "variable")
    monkeypatch.setenv("PENSTOCK_API_KEYS", "sk-client")
    monkeypatch.setenv("KEY", "sk-upstream")
    flags = "--port 3 --host 0.0.0.0 --workers 2 --upstream http://a --upstream-key-env KEY --log-level error"
    code, out, err = run(capsys, "config", *flags.split(), "--allow-anonymous")
    assert (code, err) == (0, "")
    assert "sk-" not in out
    settings = tomllib.loads(out)
    assert (settings["port"], settings["model"], settings["limits"]["idle_s"]) == (3, "variable", 1.0)
    assert (settings["host"], settings["workers"], settings["log_level"]) == ("0.0.0.0", 2, "error")
    assert (settings["upstreams"][0]["key_env"], settings["allow_anonymous"]) == ("KEY", True)


@shows("mistaken-settings")
@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        ("serv", "serve"),
        ("serve --prot 1", "--port"),
        ("config --log-levl debug", "--log-level"),
        ("init codx", "codex"),
        ("store stat", "stats"),
        ("keys nwe alice", "new"),
    ],
)
def test_the_meant_word_is_suggested(capsys: pytest.CaptureFixture[str], argv: str, meant: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv.split())
    assert end.value.code == 2
    assert capsys.readouterr().err.rstrip().endswith(f"; did you mean {meant}?")


@pytest.mark.parametrize("named_by", ["flag", "variable"])
def test_the_file_that_was_named_is_read_instead(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bare: Path, named_by: str
) -> None:
    (bare / "penstock.toml").write_text("port = 1")
    (bare / "other.toml").write_text("port = 2")
    if named_by == "variable":
        monkeypatch.setenv("PENSTOCK_CONFIG", "other.toml")
    _, out, _ = run(capsys, "config", *(["--config", "other.toml"] if named_by == "flag" else []))
    assert tomllib.loads(out)["port"] == 2


REFUSALS = {
    "--port: expected `int`, got 'x'": ["--port", "x"],
    "--upstream: a URL begins with http:// or https://": ["--upstream", "localhost"],
    "--config: cannot read none.toml: No such file or directory": ["--config", "none.toml"],
    "--config: cannot read binary.toml: it is not UTF-8": ["--config", "binary.toml"],
    "wrong.toml: prot: there is no such setting; did you mean port?": ["--config", "wrong.toml"],
    "--host: other machines can reach 0.0.0.0, and there are no API keys": ["--host", "0.0.0.0"],
}


@pytest.mark.parametrize("command", ["serve", "config"])
@pytest.mark.parametrize("message", REFUSALS)
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], bare: Path, command: str, message: str
) -> None:
    (bare / "binary.toml").write_bytes(b"\xff")
    (bare / "wrong.toml").write_text("prot = 1")
    code, out, err = run(capsys, command, *REFUSALS[message])
    assert (code, out) == (2, "")
    assert err.startswith(f"penstock: {message}")
    assert len(err.splitlines()) == 1


def test_a_new_key_is_printed_once_and_the_file_gets_its_hash(capsys: pytest.CaptureFixture[str], bare: Path) -> None:
    code, out, err = run(capsys, "keys", "new", 'my "phone"')
    assert code == 0
    assert re.fullmatch(r"sk-penstock-[\w-]{43}\n", out, re.ASCII)
    digest = hashlib.sha256(out.strip().encode()).hexdigest()
    assert tomllib.loads(err) == {"keys": [{"name": 'my "phone"', "hash": f"sha256:{digest}"}]}
    assert out.strip() not in err
    assert run(capsys, "keys", "new", "x")[1] != out
    (bare / "penstock.toml").write_text(err + "expires = 2030-01-31")
    code, out, _ = run(capsys, "config", "--host", "0.0.0.0")
    assert (code, tomllib.loads(out)["keys"][0]["hash"]) == (0, f"sha256:{digest}")


def test_a_key_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    expected = "penstock: NAME: the name of a key has 1 to 100 printable characters\n"
    assert run(capsys, "keys", "new", "") == (2, "", expected)


def test_the_request_to_paste_has_a_placeholder_for_the_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert "Bearer YOUR_API_KEY" in startup_banner(Settings(keys=[make_key("alice", "sk-1", "NAME")]), listener)
        assert "Bearer" not in startup_banner(Settings(), listener)


def fill(path: Path, number: int) -> None:
    """As many responses and conversations, half of which have expired."""

    async def save() -> None:
        store = SqliteStore(path)
        await store.migrate()
        for n in range(number):
            await store.save(response(expires_at=EXPIRED if n % 2 else LATER))
            await store.save_conversation(conversation(expires_at=EXPIRED if n % 2 else LATER), [])
        await store.aclose()

    asyncio.run(save())


def counted(out: str) -> dict[str, int]:
    return {name: int(count) for name, count in (line.split() for line in out.splitlines())}


@pytest.mark.parametrize("named_by", ["flag", "file", "default"])
def test_a_store_is_made_ready_counted_and_swept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bare: Path, named_by: str
) -> None:
    monkeypatch.setattr(maintenance, "_SWEPT_AT_ONCE_MAX", 3)  # several batches, the last of them smaller or empty
    monkeypatch.setenv("XDG_STATE_HOME", str(bare))
    path = bare / "penstock" / "penstock.db"
    url = f"sqlite:///{path}"
    (bare / "other.toml").write_text(f"store = '{url}'")
    more = {"flag": ["--store", url], "file": ["--config", "other.toml"], "default": []}[named_by]
    assert run(capsys, "store", "migrate", *more) == (0, f"{url}\n", "")
    assert not any(count for name, count in counted(run(capsys, "store", "stats", *more)[1]).items() if name != "bytes")
    fill(path, 6)
    assert run(capsys, "store", "sweep", *more) == (0, "6 removed\n", "")
    assert run(capsys, "store", "sweep", *more) == (0, "0 removed\n", "")
    counts = counted(run(capsys, "store", "stats", *more)[1])
    assert (counts["responses"], counts["conversations"]) == (3, 3)


@pytest.mark.parametrize("action", ["stats", "sweep", "migrate"])
@pytest.mark.parametrize("url", ["memory://", "none://"])
def test_there_is_nothing_to_do_where_nothing_is_stored(
    capsys: pytest.CaptureFixture[str], action: str, url: str
) -> None:
    message = f"penstock: {url} stores nothing outside a server: there is nothing to do\n"
    assert run(capsys, "store", action, "--store", url) == (0, "", message)


TROUBLE = {
    "store: no store for 'foo://'; there are dynamodb://, memory://": "foo://a",
    "store: sqlite:// needs a path": "sqlite://",
    "store: sqlite:// is followed by a slash: sqlite:///relative/file or sqlite:////absolute/file; did you mean "
    "sqlite:///data/x.db?": "sqlite://data/x.db",
    "store: not a URL: its host cannot be read": "redis://:sk-1[@h",
    "store: the store's schema is a name": "postgresql://h/db?schema=A",
    "store: redis is not installed: pip install 'penstock[redis]'": "redis://h",
    "sqlite:///none/x.db: The store FOLDER/none/x.db fails: the file cannot be opened or made; look at its": "sqlite:///none/x.db",
    "sqlite:///bad.db: The store FOLDER/bad.db fails: the file is not a SQLite database (SQLITE_NOTADB)": "sqlite:///bad.db",
    "sqlite:///new.db: The store FOLDER/new.db fails: the file has no schema; run `penstock store migrate`": "sqlite:///new.db",
    "postgresql://127.0.0.1:1/db: The store in PostgreSQL fails: the database is not available: [": "postgresql://me:sk-1@127.0.0.1:1/db",
    "postgresql://127.0.0.1/db: the URL cannot be used": "postgresql://me:sk-1/2@127.0.0.1/db",
}


@pytest.mark.parametrize("message", TROUBLE)
def test_trouble_with_a_store_is_one_line_without_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bare: Path, message: str
) -> None:
    if "postgres" in message:
        pytest.importorskip("asyncpg")
    monkeypatch.setitem(sys.modules, "redis", None)
    (bare / "bad.db").write_bytes(b"no database" * 1_000)
    with closing(sqlite3.connect(bare / "new.db")) as db:
        db.execute("PRAGMA user_version = 0")
    code, out, err = run(capsys, "store", "stats", "--store", TROUBLE[message])
    assert (code, out) == (2, "")
    assert err.startswith(f"penstock: {message.replace('FOLDER', str(bare))}")
    assert len(err.splitlines()) == 1
    assert "sk-" not in err


def test_a_bug_is_not_reported_as_an_unavailable_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stats(store: SqliteStore) -> dict[str, int]:
        raise TypeError("a bug")

    monkeypatch.setattr(SqliteStore, "stats", stats)
    with pytest.raises(TypeError, match="a bug"):
        run(capsys, "store", "stats", "--store", "sqlite:///x.db")


# Prompt templates.


def test_valid_templates_are_printed_with_their_variables(capsys: pytest.CaptureFixture[str], bare: Path) -> None:
    (bare / "templates" / "greet").mkdir(parents=True)
    (bare / "templates" / "greet" / "1.toml").write_text('instructions = "Greet {{name}} in {{language}}."')
    (bare / "templates" / "greet" / "2.toml").write_text('input = "Hello"')
    result = run(capsys, "prompts", "check", "--prompts", "templates")
    assert result == (0, "greet 1: language, name\ngreet 2: no variables\n", "")


def test_invalid_templates_are_printed_with_their_mistakes(
    capsys: pytest.CaptureFixture[str], bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {"a": "input = 1", "b": "input = ", "c": "banana = 1", "d": 'input = "fine"'}.items():
        (bare / name).mkdir()
        (bare / name / "1.toml").write_text(text)
    monkeypatch.setenv("PENSTOCK_PROMPTS", ".")
    code, out, err = run(capsys, "prompts", "check")
    assert (code, out) == (2, "d 1: no variables\n")
    first, second, third = err.splitlines()
    assert first.startswith("a/1.toml: Invalid value for 'input'")
    assert second.startswith("b/1.toml: not TOML: ")
    assert third == "c/1.toml: there is no field 'banana'"


def test_a_folder_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "prompts", "check", "--prompts", "nowhere")
    assert (code, out, err) == (2, "", "penstock: prompts: cannot read nowhere: No such file or directory\n")
    code, _, err = run(capsys, "prompts", "check")
    assert (code, "no folder is set" in err) == (2, True)
    code, _, err = run(capsys, "serve", "--store", "memory://", "--prompts", "nowhere")
    assert (code, err) == (2, "penstock: prompts: there is no folder nowhere\n")
