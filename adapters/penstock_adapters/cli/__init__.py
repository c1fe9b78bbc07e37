"""The command line: `penstock serve` and the commands around it, and the version.

It knows flags, the file and exit codes; the settings check values. Modules that take long to import are imported when
they are needed, so that mistakes are reported at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from penstock.settings import PRESETS, Settings, SettingsError, effective
from penstock.version import VERSION
from penstock_adapters.environment import read_settings
from penstock_adapters.state_directory import with_seal_keys, with_store

from .init import CLIENTS, init
from .parsing import Parser
from .signals import on_stop

_FLAGS = {
    "host": ("HOST", "address to listen on; other addresses than loopback need API keys (127.0.0.1)"),
    "port": ("PORT", "port to listen on; 0 takes a free one (8080)"),
    "upstream": ("URL", "base URL of a Chat Completions server; without one, the synthetic model answers"),
    "upstream_key_env": ("NAME", "name of the variable with the upstream's key"),
    "preset": ("NAME", f"the upstream's server: {', '.join(PRESETS)}"),
    "model": ("NAME", "model of requests without one"),
    "store": ("URL", "where responses are stored: memory://, sqlite:///path, redis://..., postgresql://..., none://"),
    "prompts": ("FOLDER", "prompt templates: <id>/<version>.toml"),
    "uds": ("PATH", "Unix socket to listen on, in place of host and port"),
    "uds_mode": ("MODE", "its permissions in octal digits (600)"),
    "tls_cert": ("FILE", "its certificate in PEM: serve HTTPS"),
    "tls_key": ("FILE", "the key of that certificate, unless it is in the same file"),
    "root_path": ("PATH", "its path behind a reverse proxy, such as /llm"),
    "drain_s": ("SECONDS", "how long running requests may go on when the server stops (10)"),
    "workers": ("N", "processes that share the port (1)"),
    "log_level": ("LEVEL", "debug, info, warning or error (info)"),
    "log_format": ("FORMAT", "text, or json: one object a line (text)"),
}
_SWITCHES = {
    "allow_anonymous": "let others in without API keys",
    "admin": "serve /admin to callers with an API key",
}
_MISTAKE = 2
"""The exit code after a mistake of the caller."""
_ACTIONS = {
    "stats": "count the stored rows",
    "sweep": "remove what has expired, as servers do by themselves",
    "migrate": "bring the database up to date, as servers do at their first request",
}
_EXAMPLES = """examples:
  penstock serve                                          the built-in synthetic model
  penstock serve --upstream http://127.0.0.1:11434/v1     Ollama, llama.cpp, vLLM, ...
  penstock serve --upstream https://api.example.com/v1 --upstream-key-env EXAMPLE_KEY
  PENSTOCK_API_KEYS=secret penstock serve --host 0.0.0.0  for other machines
  penstock health                                         exit code 0 where the server is well
  penstock doctor                                         whether upstreams, store and tools work
  penstock config                                         every effective setting, as TOML
  penstock init codex                                     set up Codex; --print writes nothing
  penstock keys new alice                                 an API key, and its entry for the file
  penstock keys seal                                      a key to seal what clients store
  penstock store stats                                    counts of rows; also: sweep, migrate
  penstock prompts check                                  whether every prompt template can be used
  penstock synthetic --describe                           the options of the synthetic model

Each flag is also a variable (PENSTOCK_PORT) and a key of penstock.toml (port).
A flag wins over a variable, and a variable over the file.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. The exit code is 2 for errors that the caller can correct."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.version:
        sys.stdout.write(f"penstock {VERSION}\n")
        return 0
    if options.command is None:
        parser.print_help(sys.stderr)
        return _MISTAKE
    try:
        code: int = options.run(options)
    except SettingsError as mistake:
        sys.stderr.write(f"penstock: {mistake}\n")
        return _MISTAKE
    return code


def _parser() -> Parser:
    parser = _with_examples(Parser("penstock"), "The OpenAI Responses API in front of any model.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, run, add_arguments, what in (
        ("serve", _serve, _add_flags, "run the server"),
        ("health", _health, _add_probe, "ask a running server whether it is well"),
        ("doctor", _doctor, _add_flags, "try everything that the settings name"),
        ("config", _config, _add_flags, "print the effective settings, secrets masked"),
        ("init", _init, _add_client, "set up a client to use this server"),
        ("keys", _keys, _add_key, "make an API key, or a key for sealing"),
        ("store", _store, _add_action, "count, sweep or migrate the store"),
        ("prompts", _prompts, _add_folder, "check the prompt templates"),
        ("synthetic", _synthetic, _add_describe, "describe the options of the synthetic model"),
    ):
        command = _with_examples(commands.add_parser(name, help=what), f"{what[0].upper()}{what[1:]}.")
        command.set_defaults(run=run)
        add_arguments(command)
    return parser


def _with_examples(parser: Parser, description: str) -> Parser:
    parser.description, parser.epilog = description, _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    return parser


def _add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the settings; the values of all are texts here."""
    for name, (metavar, meaning) in _FLAGS.items():
        parser.add_argument("--" + name.replace("_", "-"), metavar=metavar, help=meaning)
    for name, meaning in _SWITCHES.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, action="store_const", const="true", help=meaning)
    _add_config(parser)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="settings as TOML (penstock.toml, where there is one)")


def _add_probe(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the server's address, and of what is asked."""
    parser.add_argument(
        "--ready", action="store_true", help="whether it takes requests, its upstreams and store included"
    )
    for name in ("host", "port", "uds", "tls_cert"):
        metavar, meaning = _FLAGS[name]
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=meaning)
    _add_config(parser)


def _add_client(parser: argparse.ArgumentParser) -> None:
    """Add the flags about the server's address, which the client will use."""
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--print", dest="prints", action="store_true", help="print the files instead of writing them")
    _add_flags(parser)


def _add_key(parser: argparse.ArgumentParser) -> None:
    """Add the flags of keys. A key for sealing has no owner."""
    parser.description = """Make a key, which is printed only once.
  new NAME  an API key; its entry for penstock.toml is on stderr
  seal      a key that seals the reasoning and summaries that clients store"""
    parser.add_argument("action", choices=["new", "seal"])
    parser.add_argument("name", metavar="NAME", nargs="?", help="whose it is; keys of one name have the same responses")
    parser.set_defaults(refuse=parser.error)


def _add_action(parser: argparse.ArgumentParser) -> None:
    """Add the actions of the store, and no flags but those of its address."""
    for action, meaning in _ACTIONS.items():
        parser.description = f"{parser.description}\n  {action:8} {meaning}"
    parser.add_argument("action", choices=_ACTIONS)
    metavar, meaning = _FLAGS["store"]
    parser.add_argument("--store", metavar=metavar, help=meaning)
    _add_config(parser)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["check"])
    metavar, meaning = _FLAGS["prompts"]
    parser.add_argument("--prompts", metavar=metavar, help=meaning)
    _add_config(parser)


def _add_describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--describe", action="store_true", required=True, help="print every option and its values")


def _settings(options: argparse.Namespace) -> Settings:
    given = {name: getattr(options, name, None) for name in (*_FLAGS, *_SWITCHES)}
    flags = {name: text for name, text in given.items() if text is not None}
    return read_settings(flags, options.config)


def _health(options: argparse.Namespace) -> int:
    from .health import health

    return health(_settings(options), ready=options.ready)


def _doctor(options: argparse.Namespace) -> int:
    settings = with_store(_settings(options))
    from penstock_adapters.drivers import transports

    from .doctor import doctor

    return doctor(settings, transports)


def _config(options: argparse.Namespace) -> int:
    sys.stdout.write(effective(with_store(_settings(options))))
    return 0


def _init(options: argparse.Namespace) -> int:
    return init(options.client, _settings(options), prints=options.prints)


def _keys(options: argparse.Namespace) -> int:
    from .keys import new_key, seal_key

    if (options.action == "new") != (options.name is not None):
        options.refuse("`new` needs a NAME" if options.action == "new" else "`seal` takes no NAME")
    return new_key(options.name) if options.action == "new" else seal_key()


def _store(options: argparse.Namespace) -> int:
    settings = with_store(_settings(options))
    from penstock.assembly import open_store
    from penstock_adapters.drivers import STORES

    from .maintenance import maintain

    url = settings.store or ""
    return maintain(options.action, url, open_store(url, STORES))


def _prompts(options: argparse.Namespace) -> int:
    settings = _settings(options)
    if settings.prompts is None:
        raise SettingsError(
            "prompts", "no folder is set: give --prompts, PENSTOCK_PROMPTS or `prompts` in penstock.toml"
        )
    from .templates import check

    return check(settings.prompts, settings.limits)


def _synthetic(options: argparse.Namespace) -> int:
    from penstock.dialects.synthetic.options.describe import describe

    sys.stdout.write(describe())
    return 0


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options)
    on_stop(_exit)
    with _server_extra("serve"):
        from .serving import configure_log, log_mistake

    configure_log(settings)
    try:
        return _start(settings)
    except SettingsError as mistake:
        if settings.log_format == "text":
            raise
        log_mistake(mistake)
        return _MISTAKE


def _start(settings: Settings) -> int:
    """Check what can be checked at once, and serve. Raises `SettingsError`."""
    from penstock.assembly import open_store
    from penstock.local_model import read_quantiles
    from penstock_adapters.drivers import STORES, create_asgi_app, read_file

    from .serving import serve

    settings = with_seal_keys(with_store(settings))
    read_quantiles(settings.synthetic, read_file)
    open_store(settings.store or "", STORES)  # a wrong URL is reported now, and not at the first request
    if settings.prompts and not Path(settings.prompts).is_dir():
        raise SettingsError("prompts", f"there is no folder {settings.prompts}")
    return serve(settings, create_asgi_app)


def _exit(number: int, frame: FrameType | None) -> None:
    """A signal during the start is no failure: nothing has begun, so the process ends at once."""
    os._exit(0)


@contextmanager
def _server_extra(command: str) -> Iterator[None]:
    """Imports that need the extra `server`."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("penstock"):
            raise
        raise SettingsError(command, f"{error.name} is not installed: pip install 'penstock[server]'") from None
