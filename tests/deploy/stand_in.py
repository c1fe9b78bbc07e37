"""A stand-in for the image that the Dockerfile begins from, made of this machine's own files: no registry is asked.

Knows what the Dockerfile runs: a Python with pip, a shell, and a few programs of Debian, each with its libraries.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from shutil import copy2, copytree, ignore_patterns, which

PROGRAMS = ("sh", "env", "id", "ls", "cat", "rm", "sleep", "install", "groupadd", "useradd", "nologin")
FILES = ("/etc/login.defs", "/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
LIBRARIES = (
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
)
"""Libraries that every Debian has, and that the wheels of `manylinux` rely on."""
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {
    "PATH": PATH,
    "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
}
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
_NOT_NEEDED = (
    "__pycache__",
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "ensurepip",
    "site-packages",
    "dist-packages",
    "*.a",
    "config-*",
)


def make_root(folder: Path, version: str) -> None:
    """Put the file system into an empty folder, with that version of Python if this machine has it."""
    for link, target in LINKS.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        (folder / link).symlink_to(target)
    for name in ("tmp", "var/lib", "proc", "sys", "dev", "root", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\n")
    programs = [found for name in PROGRAMS if (found := which(name, path=PATH))]
    _copy(folder, [*programs, *(file for file in FILES if Path(file).exists())])
    _copy(folder, [str(file) for name in LIBRARIES for file in Path("/usr/lib").glob(f"*/{name}")])
    prefix, name = _python(version)
    _copy_python(folder, prefix, name)
    needed = _libraries([*map(Path, programs), *(folder / "usr/local").rglob("*")])
    _copy(folder, {path for path in needed if not path.startswith(str(prefix))})
    (folder / "etc/ld.so.conf").write_text("/usr/local/lib\n")
    subprocess.run(["/sbin/ldconfig", "-r", folder], check=True)


def _python(version: str) -> tuple[Path, str]:
    """The prefix and the name of the Python of that version, where pyenv has it, or of that of the tests."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [*pyenv.glob(f"versions/{version}.*/bin/python{version}")]
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (found[0].parents[1], f"python{version}") if found else (Path(sys.base_prefix), f"python{ours}")


def _copy_python(folder: Path, prefix: Path, name: str) -> None:
    """The interpreter, under /usr/local as in Python's own images, and a pip of its own."""
    local = folder / "usr/local"
    (local / "bin").mkdir(parents=True)
    copy2(prefix / "bin" / name, local / "bin" / name)
    for other in ("python", "python3"):
        (local / "bin" / other).symlink_to(name)
    copytree(prefix / "lib" / name, local / "lib" / name, ignore=ignore_patterns(*_NOT_NEEDED), symlinks=True)
    for library in (prefix / "lib").glob("libpython*.so*"):
        copy2(library, local / "lib" / library.name)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", local / "lib" / name / "site-packages", "pip"],
        check=True,
    )


def _libraries(files: Iterable[Path]) -> set[str]:
    """The shared libraries that programs and extensions need, in any depth."""
    listed = subprocess.run(
        ["ldd", *map(str, filter(_is_binary, files))], capture_output=True, text=True, check=False
    ).stdout
    return set(_LIBRARY.findall(listed))


def _is_binary(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def _copy(folder: Path, files: Iterable[str]) -> None:
    for file in files:
        source = Path(file)
        target = folder / source.parent.resolve().relative_to("/") / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy2(source.resolve(), target)
