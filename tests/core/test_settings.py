"""Settings that are right: what wins over what, and what is written back."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dialects.chat_completions import Options
from penstock.limits import Limits
from penstock.ports import Tls
from penstock.secrets import REDACTED, Secret
from penstock.settings import (
    PRESETS,
    ConfigFile,
    EgressSettings,
    KeySettings,
    Settings,
    SettingsError,
    UpstreamSettings,
    effective,
    load,
    without_credentials,
)
from requirements import shows

NOTHING: Mapping[str, str] = {}

FULL = """
host = "0.0.0.0"
port = 9000
workers = 2
log_level = "debug"
drain_s = 1
model = "small"
api_keys = ["sk-client-1", "sk-client-2"]
allowed_hosts = ["chat.example.com"]
unknown_parameters = "reject"
absent_tools = "reject"
done_marker = false
websocket = false

[limits]
idle_s = 5

[[upstreams]]
name = "cloud"
url = "https://api.example.com/v1/"
key_env = "CLOUD_KEY"
models = ["gpt-*", "small"]
aliases = { "small model" = "gpt-mini" }
headers = { x-team = "sk-team" }
options = { system_role = "developer" }
priority = 1
weight = 2
tls = { ca_file = "ca.pem", cert_file = "me.pem", key_file = "key.pem" }
proxy = "http://me:sk-proxy@proxy.example.com:3128"

[[upstreams]]
name = "home"
url = "http://127.0.0.1:11434/v1"
key = "sk-home"

[[keys]]
name = "alice"
hash = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
expires = 2030-01-31

[[keys]]
name = "alice"
hash = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
"""

CLOUD = UpstreamSettings(
    name="cloud",
    url="https://api.example.com/v1",
    key=Secret("sk-cloud"),
    key_env="CLOUD_KEY",
    models=["gpt-*", "small"],
    aliases={"small model": "gpt-mini"},
    headers={"x-team": Secret("sk-team")},
    options=Options(system_role="developer"),
    priority=1,
    weight=2.0,
    tls=Tls(ca_file="ca.pem", cert_file="me.pem", key_file="key.pem"),
    proxy=Secret("http://me:sk-proxy@proxy.example.com:3128"),
)
HOME = UpstreamSettings(name="home", url="http://127.0.0.1:11434/v1", key=Secret("sk-home"))
HASH = "sha256:" + "a" * 64
ALICE = [
    KeySettings(name="alice", hash=HASH, expires=datetime(2030, 1, 31, tzinfo=UTC)),
    KeySettings(name="alice", hash="sha256:" + "b" * 64),
]
EVERYTHING = Settings(
    host="0.0.0.0",
    port=9000,
    workers=2,
    log_level="debug",
    drain_s=1.0,
    model="small",
    upstreams=[CLOUD, HOME],
    api_keys=[Secret("sk-client-1"), Secret("sk-client-2")],
    keys=ALICE,
    allowed_hosts=["chat.example.com"],
    unknown_parameters="reject",
    absent_tools="reject",
    done_marker=False,
    websocket=False,
    limits=Limits(idle_s=5.0),
)
KEYS = {"CLOUD_KEY": "sk-cloud\n"}


def file(text: str) -> ConfigFile:
    return ConfigFile("penstock.toml", text)


def test_nothing_given_is_the_synthetic_model_for_this_machine() -> None:
    assert load(NOTHING, NOTHING) == Settings()
    assert Settings().upstreams == []


def test_a_file_sets_everything() -> None:
    assert load(NOTHING, KEYS, file(FULL)) == EVERYTHING


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file() -> None:
    env = {"PENSTOCK_PORT": "2", "PENSTOCK_MODEL": "two", "PENSTOCK_LIMITS_IDLE_S": "2"}
    settings = load(
        {"port": "3"}, env, file("port = 1\nmodel = 'one'\nworkers = 1\nlimits.idle_s = 1\nlimits.total_s = 1")
    )
    assert (settings.port, settings.model, settings.workers) == (3, "two", 1)
    assert settings.limits == Limits(idle_s=2.0, total_s=1.0)


@pytest.mark.parametrize(
    ("given", "context_tokens"),
    [
        ("context_tokens = 8192", 8192),
        ('context_tokens = { "qwen3" = 40960, "*" = 8192 }', {"qwen3": 40960, "*": 8192}),
    ],
)
def test_the_sizes_of_contexts_and_who_counts(given: str, context_tokens: object) -> None:
    upstream = f"[[upstreams]]\nname = 'a'\nurl = 'http://a.example'\n{given}\noptions.tokenizer = 'llama.cpp'"
    settings = load({}, {}, file(upstream))
    [loaded] = settings.upstreams
    assert (loaded.context_tokens, loaded.options.tokenizer) == (context_tokens, "llama.cpp")
    assert load({}, {}, file(effective(settings))) == settings


ENVIRONMENT = {
    "PENSTOCK_HOST": ("::1", "host", "::1"),
    "PENSTOCK_PORT": ("0", "port", 0),
    "PENSTOCK_TLS_CERT": ("cert.pem", "tls_cert", "cert.pem"),
    "PENSTOCK_TLS_KEY": ("key.pem", "tls_key", "key.pem"),
    "PENSTOCK_ROOT_PATH": ("/llm/", "root_path", "/llm"),
    "PENSTOCK_SEARCH": ("searxng:http://127.0.0.1:8888", "search", "searxng:http://127.0.0.1:8888"),
    "PENSTOCK_SEARCH_KEY": ("sk-1", "search_key", Secret("sk-1")),
    "PENSTOCK_SEARCH_OPENS": ("any", "search_opens", "any"),
    "PENSTOCK_WORKERS": ("3", "workers", 3),
    "PENSTOCK_LOG_LEVEL": ("error", "log_level", "error"),
    "PENSTOCK_LOG_FORMAT": ("json", "log_format", "json"),
    "PENSTOCK_READY_NEEDS_UPSTREAM": ("false", "ready_needs_upstream", False),
    "PENSTOCK_DRAIN_S": ("2.5", "drain_s", 2.5),
    "PENSTOCK_MCP": ("on", "mcp", "on"),
    "PENSTOCK_MCP_IMAGES": ("false", "mcp_images", False),
    "PENSTOCK_METRICS": ("false", "metrics", False),
    "PENSTOCK_VLLM_METRICS": ("true", "vllm_metrics", True),
    "PENSTOCK_MODEL": ("m", "model", "m"),
    "PENSTOCK_API_KEYS": ("sk-1, sk-2,", "api_keys", [Secret("sk-1"), Secret("sk-2")]),
    "PENSTOCK_SEAL_KEYS": (f"{'A' * 43},{'B' * 42}A=", "seal_keys", [Secret("A" * 43), Secret("B" * 42 + "A=")]),
    "PENSTOCK_ADMIN": ("true", "admin", True),
    "PENSTOCK_ALLOW_ANONYMOUS": ("true", "allow_anonymous", True),
    "PENSTOCK_ALLOWED_HOSTS": ("a.example,b.example", "allowed_hosts", ["a.example", "b.example"]),
    "PENSTOCK_ALLOWED_ORIGINS": ("https://a.example:1,*", "allowed_origins", ["https://a.example:1", "*"]),
    "PENSTOCK_UNKNOWN_PARAMETERS": ("forward", "unknown_parameters", "forward"),
    "PENSTOCK_ABSENT_TOOLS": ("reject", "absent_tools", "reject"),
    "PENSTOCK_STORE": ("memory://", "store", "memory://"),
    "PENSTOCK_PROMPTS": ("prompts", "prompts", "prompts"),
    "PENSTOCK_DONE_MARKER": ("0", "done_marker", False),
    "PENSTOCK_WEBSOCKET": ("false", "websocket", False),
    "PENSTOCK_BACKGROUND": ("false", "background", False),
    "PENSTOCK_BACKGROUND_RUNNER": ("lambda://", "background_runner", "lambda://"),
    "PENSTOCK_UDS": ("/run/penstock.sock", "uds", "/run/penstock.sock"),
    "PENSTOCK_UDS_MODE": ("660", "uds_mode", "660"),
    "PENSTOCK_INVOKE_MODE": ("buffered", "invoke_mode", "buffered"),
}


NEEDS = {"PENSTOCK_TLS_KEY": {"PENSTOCK_TLS_CERT": "cert.pem"}}
"""Variables that are a mistake without others."""


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_a_variable_sets(variable: str) -> None:
    text, name, value = ENVIRONMENT[variable]
    assert getattr(load(NOTHING, {variable: text, **NEEDS.get(variable, {})}), name) == value


@shows("port-variable")
def test_port_is_the_port_unless_ours_is_set() -> None:
    assert load(NOTHING, {"PORT": "9001"}).port == 9001
    assert load(NOTHING, {"PORT": "9001", "PENSTOCK_PORT": "9002"}).port == 9002
    assert load({"port": "9003"}, {"PORT": "9001"}).port == 9003
    assert load(NOTHING, {"PORT": "9001"}, file("port = 9004")).port == 9001
    assert load(NOTHING, {"PORT": ""}).port == 8080
    with pytest.raises(SettingsError, match="PORT"):
        load(NOTHING, {"PORT": "http"})


@pytest.mark.parametrize("mode", ["8", "999", "rw", "1777"])
def test_a_mode_has_octal_digits(mode: str) -> None:
    with pytest.raises(SettingsError, match="PENSTOCK_UDS_MODE"):
        load(NOTHING, {"PENSTOCK_UDS_MODE": mode})


def test_every_setting_and_every_limit_has_a_variable() -> None:
    names = {name for _, name, _ in ENVIRONMENT.values()}
    tables = {"upstreams", "keys", "limits", "synthetic", "egress", "mcp_servers", "mcp_connectors", "mcp_tunnels"}
    assert names == set(Settings.__struct_fields__) - tables
    for name in Limits.__struct_fields__:
        assert getattr(load(NOTHING, {f"PENSTOCK_LIMITS_{name.upper()}": "7"}).limits, name) == 7


def test_what_tools_may_call_is_a_variable_and_a_key_of_the_file() -> None:
    allow = ["mcp.internal:8080", "[::1]:443"]
    for env, text in (
        ({"PENSTOCK_EGRESS_ALLOW": "mcp.internal:8080, [::1]:443"}, ""),
        ({}, "egress.allow = ['mcp.internal:8080', '[::1]:443']"),
    ):
        assert load(NOTHING, env, file(text)).egress == EgressSettings(allow=allow)


@pytest.mark.parametrize("source", ["flags", "env", "file"])
def test_the_short_form_of_one_upstream(source: str) -> None:
    url, variable = "http://127.0.0.1:11434/v1/", "MY_KEY"
    flags = {"upstream": url, "upstream_key_env": variable} if source == "flags" else {}
    env = {"PENSTOCK_UPSTREAM": url, "PENSTOCK_UPSTREAM_KEY_ENV": variable} if source == "env" else {}
    text = f"upstream = '{url}'\nupstream_key_env = '{variable}'" if source == "file" else ""
    expected = UpstreamSettings(name="default", url=url.rstrip("/"), key=Secret("sk"), key_env=variable)
    assert load(flags, {**env, variable: "sk"}, file(text)).upstreams == [expected]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_the_options(name: str) -> None:
    options = PRESETS[name]
    short = load({"upstream": "http://a", "preset": name}, NOTHING)
    text = f"[[upstreams]]\nname = 'a'\nurl = 'http://a'\npreset = '{name}'"
    listed = load(NOTHING, NOTHING, file(text))
    assert [settings.upstreams[0].options for settings in (short, listed)] == [options, options]
    assert load(NOTHING, NOTHING, file(effective(listed))) == listed


def test_of_a_preset_each_option_can_be_overridden() -> None:
    text = "[[upstreams]]\nname = 'a'\nurl = 'http://a'\npreset = 'openai'\noptions.max_tokens_field = 'max_tokens'"
    options = load(NOTHING, NOTHING, file(text)).upstreams[0].options
    assert options == msgspec.structs.replace(PRESETS["openai"], max_tokens_field="max_tokens")
    assert options.system_role == "developer"


def test_the_short_form_replaces_the_files_upstreams() -> None:
    upstreams = load({"upstream": "http://localhost:1"}, NOTHING, file(FULL)).upstreams
    assert [upstream.url for upstream in upstreams] == ["http://localhost:1"]


def test_what_is_not_ours_in_the_environment_is_left_alone() -> None:
    kubernetes = {
        "PENSTOCK_SERVICE_HOST": "10.0.0.1",
        "PENSTOCK_SERVICE_PORT": "80",
        "PENSTOCK_SERVICE_PORT_HTTP": "80",
        "PENSTOCK_PORT": "tcp://10.0.0.1:80",
        "PENSTOCK_PORT_80_TCP": "tcp://10.0.0.1:80",
        "PENSTOCK_PORT_80_TCP_ADDR": "10.0.0.1",
        "PENSTOCK_ADMIN_SERVICE_PORT": "80",
    }
    others = {"PENSTOCK_CONFIG": "x.toml", "PENSTOCK_MODEL": "", "PENSTOCK_CLOUD_KEY": "sk", "PATH": "/bin"}
    flags = {"upstream": "http://localhost", "upstream_key_env": "PENSTOCK_CLOUD_KEY"}
    settings = load(flags, {**kubernetes, **others})
    assert (settings.port, settings.model, settings.upstreams[0].key) == (8080, None, Secret("sk"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost"])
def test_a_local_host_needs_no_keys(host: str) -> None:
    assert load({"host": host}, NOTHING).host == host


@pytest.mark.parametrize("env", [{"PENSTOCK_API_KEYS": "sk"}, {"PENSTOCK_ALLOW_ANONYMOUS": "1"}], ids=str)
def test_an_open_host_is_taken_with_keys_or_with_a_word(env: dict[str, str]) -> None:
    assert load({"host": "0.0.0.0"}, env).host == "0.0.0.0"


def test_an_open_host_is_taken_with_named_keys() -> None:
    text = f"host = '0.0.0.0'\n[[keys]]\nname = 'bob'\nhash = '{HASH}'"
    settings = load(NOTHING, NOTHING, file(text))
    assert (settings.host, settings.has_keys, Settings().has_keys) == ("0.0.0.0", True, False)


MOMENTS = {
    "2030-01-31": datetime(2030, 1, 31, tzinfo=UTC),
    "2030-01-31T12:30:00": datetime(2030, 1, 31, 12, 30, tzinfo=UTC),
    "2030-01-31 12:30:00.5Z": datetime(2030, 1, 31, 12, 30, 0, 500_000, tzinfo=UTC),
    "2030-01-31T12:30:00+02:00": datetime(2030, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=2))),
}


@pytest.mark.parametrize("written", MOMENTS)
def test_when_a_key_expires(written: str) -> None:
    text = f"[[keys]]\nname = 'bob'\nhash = '{HASH}'\nexpires = {written}"
    settings = load(NOTHING, NOTHING, file(text))
    assert settings.keys == [KeySettings(name="bob", hash=HASH, expires=MOMENTS[written])]
    assert load(NOTHING, NOTHING, file(effective(settings))) == settings


STORES = {
    "memory://": "memory://",
    "sqlite:////data/a@b?password=x.db": "sqlite:////data/a@b?password=x.db",
    "redis://:sk-1@h:1/0": "redis://<redacted>@h:1/0",
    "redis://:sk-1/sk-2@h": "redis://<redacted>@h",
    "redis://me:sk-1@sk-2@h": "redis://<redacted>@h",
    "postgresql://h/db?PassWord=sk-@1&sslpassword=sk-2&schema=s": (
        "postgresql://h/db?PassWord=<redacted>&sslpassword=<redacted>&schema=s"
    ),
}


@pytest.mark.parametrize("url", STORES)
def test_a_store_is_named_without_its_password(url: str) -> None:
    assert tomllib.loads(effective(Settings(store=url)))["store"] == STORES[url]
    assert without_credentials(url) == STORES[url].replace("//<redacted>@", "//")


def test_no_secret_is_written() -> None:
    for text in (effective(EVERYTHING), repr(EVERYTHING), str(EVERYTHING)):
        assert "sk-" not in text
    with pytest.raises(TypeError):
        msgspec.json.encode(EVERYTHING)


def test_what_is_effective_reads_back_apart_from_the_secrets() -> None:
    text = effective(EVERYTHING)
    assert tomllib.loads(text)["api_keys"] == [REDACTED, REDACTED]
    for secret in ("sk-client-1", "sk-client-2", "http://me:sk-proxy@proxy.example.com:3128", "sk-team", "sk-home"):
        text = text.replace(REDACTED, secret, 1)
    assert load(NOTHING, KEYS, file(text)) == EVERYTHING
    assert HASH in text


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(
    TEXTS,
    st.dictionaries(TEXTS, TEXTS),
    st.lists(TEXTS),
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
)
def test_any_text_and_number_reads_back(text: str, aliases: dict[str, str], models: list[str], seconds: float) -> None:
    upstream = UpstreamSettings(name=text, url="http://a", models=models, aliases=aliases)
    settings = Settings(model=text, upstreams=[upstream], drain_s=seconds)
    assert load(NOTHING, NOTHING, file(effective(settings))) == settings
