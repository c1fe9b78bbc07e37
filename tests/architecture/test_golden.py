"""The golden fixture reports what differs, and writes only when asked."""

from pathlib import Path

import pytest


def test_it_reports_what_differs(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request.config.option, "rewrite_golden", False)
    file = tmp_path / "known.txt"
    file.write_text("one\ntwo\n")
    golden = request.getfixturevalue("golden")
    golden(file, "one\ntwo\n")
    with pytest.raises(pytest.fail.Exception, match=r"-two\n\+three"):
        golden(file, "one\nthree\n")
    assert file.read_text() == "one\ntwo\n"


def test_it_writes_when_asked(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request.config.option, "rewrite_golden", True)
    file = tmp_path / "deep" / "new.txt"
    request.getfixturevalue("golden")(file, "one\n")
    assert file.read_text() == "one\n"
