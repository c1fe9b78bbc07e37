"""Make the zips for AWS Lambda: `make lambda`, or `python deploy/aws/make_zips.py --python 3.13 --arch arm64`.

For each version of Python and each architecture, `build/lambda` gets the function, and a layer with `cryptography`.
The wheels and their hashes are those of requirements.lock. A zip has bytecode without sources, which Lambda need not
compile or check at each start; so the interpreter of that version must be on this machine. Equal inputs make equal
bytes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARCHITECTURES = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
FUNCTION_PACKAGES = ("msgspec", "httptools")
LAYER_PACKAGES = ("cryptography", "cffi", "pycparser")
ADAPTERS = (
    "__init__ asgi aws aws_lambda compression content_codings cryptography drivers dynamodb environment fault_texts "
    "http_client name_lookup prompts proxies tls"
).split()
"""The adapters of a function. Each driver that is left out needs a package that the zip has not."""
LEFT_OUT = (
    "penstock/__main__.py",
    "penstock/dialects/chat_completions/serve",
    "penstock/dialects/synthetic",
    "penstock/endpoints/faulty_replies.py",
    "penstock/endpoints/messages.py",
    "penstock/endpoints/socket.py",
    "penstock/endpoints/stream_queues.py",
    "penstock/stores/memory",
    "penstock/stores/sqlite",
    "penstock/transcript/diagram.py",
)
"""What a function has no use for: the command line, the synthetic model, WebSocket, and stores of one instance."""
INCLUDED = {
    "engine/upstreams/synthetic": ("__init__.py", "header.py"),
    "tools": ("__init__.py", "mcp"),
    "tools/mcp": ("__init__.py", "client.py", "own_servers.py"),
}
"""What is there of some folders: what settings need. Hosted tools need packages that the zip has not."""
SOURCES = (".py", ".pyi", ".pyx", ".pxd", ".c", ".h")
ABOUT_PACKAGES = ("METADATA", "RECORD", "WHEEL", "INSTALLER", "REQUESTED", "top_level.txt", "py.typed", ".lock")
"""Files for installers and type checkers. Licences stay."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a zip."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", nargs="+", default=["3.13"], help="versions of Lambda's Python")
    parser.add_argument("--arch", nargs="+", choices=ARCHITECTURES, default=[*ARCHITECTURES])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "lambda")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for version in given.python:
        interpreter = find_python(version)
        for arch in given.arch:
            for zip_file in make(version, interpreter, arch, given.folder):
                print(f"{zip_file}  {zip_file.stat().st_size:,} bytes")


def make(version: str, interpreter: str, arch: str, folder: Path) -> tuple[Path, Path]:
    """The zips of a version and an architecture: the function, and the layer for sealing."""
    with tempfile.TemporaryDirectory() as name:
        function, layer = Path(name, "function"), Path(name, "layer")
        fill_function(version, interpreter, arch, function)
        install(LAYER_PACKAGES, version, arch, layer / "python")
        compile_all(interpreter, layer)
        made = [folder / f"penstock-{version}-{arch}.zip", folder / f"penstock-seal-layer-{version}-{arch}.zip"]
        for each, zip_file in zip((function, layer), made, strict=True):
            write_zip(each, zip_file)
    return made[0], made[1]


def fill_function(version: str, interpreter: str, arch: str, folder: Path) -> None:
    """Fill a folder with what the zip of the function has."""
    install(FUNCTION_PACKAGES, version, arch, folder)
    copy_packages(folder)
    compile_all(interpreter, folder)
    shutil.copy(Path(__file__).with_name("bootstrap"), folder)
    (folder / "bootstrap").chmod(0o755)


def find_python(version: str) -> str:
    """The interpreter of a version, in the path or of pyenv. Ends the program where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        sys.executable,
        shutil.which(f"python{version}"),
        *map(str, pyenv.glob(f"versions/{version}.*/bin/python")),
    ]
    for candidate in filter(None, candidates):
        run = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.stdout.strip() == version:
            return candidate
    sys.exit(f"there is no Python {version} on this machine: its bytecode is a part of the zip. Set LAMBDA_PYTHON")


def install(packages: tuple[str, ...], version: str, arch: str, folder: Path) -> None:
    """Unpack the wheels of packages, as requirements.lock pins them."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pins = [re.search(rf"^{name}==(?:.*\\\n)*.*\n", lock, re.MULTILINE) for name in packages]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(re.sub(r" ;[^\\\n]*", " ", pin[0]) for pin in pins if pin))
        file.flush()
        options = ["--python-version", version, "--python-platform", ARCHITECTURES[arch], "--only-binary", ":all:"]
        options += [
            "--no-deps",
            "--link-mode",
            "copy",
            "--require-hashes",
            "--no-config",
            "--quiet",
            "--target",
            str(folder),
        ]
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "uv"
        subprocess.run([uv, "pip", "install", *options, "-r", file.name], check=True)


def copy_packages(folder: Path) -> None:
    """Copy Penstock's own packages, without what a function cannot use."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "core" / "penstock", folder / "penstock", ignore=ignore)
    adapters = ROOT / "adapters" / "penstock_adapters"
    (folder / "penstock_adapters").mkdir()
    for name in ADAPTERS:
        if (adapters / name).is_dir():
            shutil.copytree(adapters / name, folder / "penstock_adapters" / name, ignore=ignore)
        else:
            shutil.copy(adapters / f"{name}.py", folder / "penstock_adapters")
    for name in LEFT_OUT:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, included in INCLUDED.items():
        for path in (folder / "penstock" / name).iterdir():
            if path.name not in included:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def compile_all(interpreter: str, folder: Path) -> None:
    """Replace all sources by bytecode of the interpreter's version, and shorten the libraries."""
    script = Path(__file__).with_name("compile_sources.py")
    # No tables of columns: they are a tenth of the bytecode, and without sources there is nothing to underline.
    subprocess.run([interpreter, "-I", "-X", "no_debug_ranges", str(script), str(folder)], check=True)
    for path in [*folder.rglob("*")]:
        if path.suffix in SOURCES or path.name in ABOUT_PACKAGES:
            path.unlink()
    for path in [*folder.rglob("__pycache__"), *folder.glob("bin")]:
        shutil.rmtree(path)
    for library in folder.rglob("*.so"):
        cut_symbols(library)


def cut_symbols(library: Path) -> None:
    """Cut an ELF file behind its segments: a loader reads those alone, and debuggers the sections behind them.

    This needs no `strip` of the other architecture. Source: "ELF-64 Object File Format".
    """
    data = bytearray(library.read_bytes())
    if data[:6] != b"\x7fELF\x02\x01":
        sys.exit(f"{library.name} is not a 64-bit ELF file")
    segments_at, _, _, _, size, count = struct.unpack_from("<QQIHHH", data, 32)
    end = segments_at + size * count
    for number in range(count):
        offset, in_file = struct.unpack_from("<Q16xQ", data, segments_at + number * size + 8)
        end = max(end, offset + in_file)
    struct.pack_into("<Q", data, 40, 0)  # no section headers,
    struct.pack_into("<HH", data, 60, 0, 0)  # none of them, and no names
    library.unlink()  # a package manager may have linked it to the files of other environments
    library.write_bytes(data[:end])


def write_zip(folder: Path, zip_file: Path) -> None:
    """Write the files of a folder in order, with a fixed time, and as readable for everyone."""
    with zipfile.ZipFile(zip_file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), EPOCH)
                mode = 0o755 if path.name == "bootstrap" or path.suffix == ".so" else 0o644
                entry.external_attr = (0o100000 | mode) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                target.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main()
