"""No file contains the path where it was written."""

import subprocess

from architecture.source import ROOT

# Spelled in pieces, so that this file is clean too.
MACHINE_PATHS = ["/" + "/".join([top, ""]) for top in ("work", "root", "home", "Users")]


def ours() -> list[str]:
    """What is committed or about to be: everything that git does not ignore."""
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({name for name in names if name and (ROOT / name).is_file()})


def test_no_file_holds_a_machine_path() -> None:
    names = ours()
    assert len(names) > 50
    texts = {name: (ROOT / name).read_bytes().decode(errors="replace") for name in names}
    assert not [(name, path) for name, text in texts.items() for path in MACHINE_PATHS if path in text]
