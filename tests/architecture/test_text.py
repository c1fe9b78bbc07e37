"""No file contains the path where it was written."""

from architecture.source import ROOT, ours

# Spelled in pieces, so that this file is clean too.
MACHINE_PATHS = ["/" + "/".join([top, ""]) for top in ("work", "root", "home", "Users")]


def test_no_file_holds_a_machine_path() -> None:
    names = ours()
    assert len(names) > 50
    texts = {name: (ROOT / name).read_bytes().decode(errors="replace") for name in names}
    assert not [(name, path) for name, text in texts.items() for path in MACHINE_PATHS if path in text]
