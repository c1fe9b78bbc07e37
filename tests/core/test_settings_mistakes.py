"""Settings that are wrong: one line states which, its source and how to correct it, and never a secret."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings import ConfigFile, Settings, SettingsError, load

CLOUD = "[[upstreams]]\nname = 'cloud'\nurl = 'http://a'\n"
HASH = "sha256:746b4ad1ca9129e1caf080bf9406d43531b8bbf97f42cc1597ee4f3d4663938e"
KEY = f"[[keys]]\nname = 'alice'\nhash = '{HASH}'\n"

FLAGS = {
    "--port: expected `int`, got 'http'": {"port": "http"},
    "--port: expected `int` <= 65535, got '70000'": {"port": "70000"},
    "--port: expected `int` >= 0, got '-1'": {"port": "-1"},
    "--workers: expected `int` >= 1, got '0'": {"workers": "0"},
    "--log-level: expected one of debug, info, warning, error, got 'loud'": {"log_level": "loud"},
    "--root-path: 'llm' is not a root path: it begins with a slash, as /llm, and has letters, digits and ._~- only": {
        "root_path": "llm"
    },
    "--root-path: '/a//b' is not a root path: it begins with a slash, as /llm, and has letters, digits and ._~- only": {
        "root_path": "/a//b"
    },
    "--root-path: '/a/../b' is not a root path: it begins with a slash, as /llm, and has letters, digits and ._~- "
    "only": {"root_path": "/a/../b"},
    "--tls-key: the `tls_cert` of this key is missing": {"tls_key": "key.pem"},
    "--model: expected `str` of length >= 1, got ''": {"model": ""},
    "--model: not UTF-8": {"model": "\udcff"},
    "--host: other machines can reach 0.0.0.0, and there are no API keys: set PENSTOCK_API_KEYS "
    "(or api_keys or keys in penstock.toml), or allow access without a key with --allow-anonymous": {"host": "0.0.0.0"},
    "--upstream-key-env: the upstream of this key is missing: give its URL by --upstream": {"upstream_key_env": "KEY"},
    "--store: 2 workers cannot share memory://: choose sqlite:///path, redis:// or postgresql://, or none://, or one "
    "worker": {"workers": "2", "store": "memory://"},
    "--preset: the upstream of this preset is missing: give its URL by --upstream": {"preset": "vllm"},
    "--preset: expected one of vllm, llama.cpp, ollama, openai, openrouter, deepseek, got 'vlm'; did you mean vllm?": {
        "upstream": "http://a",
        "preset": "vlm",
    },
    "--upstream-key-env: the variable KEY is not set (give the name of a variable, not the key)": {
        "upstream": "http://a",
        "upstream_key_env": "KEY",
    },
    "--upstream-key-env: the variable that it names is not set (give the name of a variable, not the key)": {
        "upstream": "http://a",
        "upstream_key_env": "sk-secret",
    },
}

URLS = {
    "a URL begins with http:// or https://": ["localhost:11434/v1", "127.0.0.1", "ftp://a", "//a/v1"],
    "the URL has no host": ["http://", "http:///v1", "http://:80"],
    "not a URL: its host or port cannot be read": ["http://a:port", "http://a:99999", "http://[::1"],
    "a URL has no spaces, backslashes or control characters": ["http://a b", "http://a\n", "http://a\\v1"],
    "a base URL ends with its path: no ? and no #": ["http://a/v1?x=1", "http://a/#x"],
    "give the base URL, without /chat/completions": ["https://a/v1/chat/completions/"],
    "after http+unix:// comes the socket's path, with %2F for each slash: http+unix://%2Frun%2Fllama.sock/v1": [
        "http+unix:///run/llama.sock/v1",
        "http+unix://run/llama.sock",
        "http+unix://",
    ],
    "the path of a Unix socket has at most 103 bytes": ["http+unix://%2F" + "a" * 103],
    "no user and password in the URL: name the variable with the key by --upstream-key-env or `key_env`": [
        "http://me:sk-secret@a"
    ],
}

VARIABLES = {
    "PENSTOCK_PROT: there is no such setting; did you mean PENSTOCK_PORT?": {"PENSTOCK_PROT": "1"},
    "PENSTOCK_LIMITS_IDLE: there is no such setting; did you mean PENSTOCK_LIMITS_IDLE_S?": {
        "PENSTOCK_LIMITS_IDLE": "1"
    },
    "PENSTOCK_UPSTREAMS: there is no such setting; did you mean PENSTOCK_UPSTREAM?": {"PENSTOCK_UPSTREAMS": "1"},
    "PENSTOCK_KEYS: there is no such setting; did you mean PENSTOCK_API_KEYS?": {"PENSTOCK_KEYS": "sk-1"},
    "PENSTOCK_SEARCH: no user and password in the URL: set PENSTOCK_SEARCH_KEY": {
        "PENSTOCK_SEARCH": "searxng:http://me:sk-secret@a"
    },
    "PENSTOCK_LIMITS_IDLE_S: expected `float` > 0.0, got '0'": {"PENSTOCK_LIMITS_IDLE_S": "0"},
    "PENSTOCK_LIMITS_IDLE_S: expected a finite number": {"PENSTOCK_LIMITS_IDLE_S": "inf"},
    "PENSTOCK_DONE_MARKER: expected one of true, false, got 'perhaps'": {"PENSTOCK_DONE_MARKER": "perhaps"},
    "PENSTOCK_API_KEYS: there is nothing between the commas": {"PENSTOCK_API_KEYS": " ,, "},
    "PENSTOCK_API_KEYS[1]: a secret has printable ASCII characters only": {"PENSTOCK_API_KEYS": "a,sk-\u00e9"},
    "PENSTOCK_API_KEYS[0]: <redacted> is the mask of a secret: put the secret itself here": {
        "PENSTOCK_API_KEYS": "<redacted>"
    },
    "PENSTOCK_ALLOWED_HOSTS: 'https://a' is not a host: give the name alone in lower case, such as chat.example.com": {
        "PENSTOCK_ALLOWED_HOSTS": "https://a"
    },
    **{
        f"PENSTOCK_ALLOWED_ORIGINS: {origin!r} is not an origin: give scheme and host in lower case without a path, "
        "such as https://chat.example.com, or *": {"PENSTOCK_ALLOWED_ORIGINS": origin}
        for origin in (
            "a.example",
            "https://a.example/",
            "https://A.example",
            "https://*.example/x",
            "null",
            "https://",
        )
    },
    "PENSTOCK_EGRESS_ALLOW: 'mcp.internal' is not host:port: give both, such as mcp.internal:8080": {
        "PENSTOCK_EGRESS_ALLOW": "mcp.internal"
    },
    "PENSTOCK_SEARCH: expected an engine and a colon; the engines are brave, exa, searxng, tavily": {
        "PENSTOCK_SEARCH": "google:"
    },
    "PENSTOCK_SEARCH: the URL of your own engine is missing: searxng:http://127.0.0.1:8888": {
        "PENSTOCK_SEARCH": "searxng:"
    },
    "PENSTOCK_SEARCH: a URL begins with http:// or https://": {"PENSTOCK_SEARCH": "searxng:127.0.0.1:8888"},
    "PENSTOCK_SEARCH: brave needs a key: set PENSTOCK_SEARCH_KEY": {"PENSTOCK_SEARCH": "brave:"},
    "PENSTOCK_UPSTREAM_KEY_ENV: the variable KEY contains no key: a secret must not be empty": {
        "PENSTOCK_UPSTREAM": "http://a",
        "PENSTOCK_UPSTREAM_KEY_ENV": "KEY",
        "KEY": "\n",
    },
}

FILES = {
    "p.toml: not TOML: Expected '=' after a key in a key/value pair (at line 1, column 6)": "port 1",
    "p.toml: prot: there is no such setting; did you mean port?": "prot = 1",
    "p.toml: port: expected `int`, got `str`": "port = '1'",
    "p.toml: log_level: expected one of debug, info, warning, error": "log_level = 'loud'",
    "p.toml: host: other machines can reach ::, and": "host = '::'",
    "p.toml: limits: expected a table": "limits = 1",
    "p.toml: limits.idle: there is no such setting; did you mean idle_s?": "limits.idle = 1",
    "p.toml: egress.allow: 'a:0' does not end with a port from 1 to 65535": "[egress]\nallow = ['b:1', 'a:0']",
    "p.toml: egress.allowed: there is no such setting; did you mean allow?": "egress.allowed = []",
    "p.toml: limits.idle_s: expected `float`, got `str`": "limits.idle_s = '1'",
    "p.toml: api_keys[1]: expected a `str`, got `int`": "api_keys = ['sk-secret', 1]",
    "p.toml: api_keys: the key 'alice' of `keys` is here too: remove it from one of them": "api_keys = ['sk-secret']\n"
    + KEY,
    "p.toml: keys: expected an array of tables": "[keys]\nalice = 'sk-secret'",
    "p.toml: keys[0]: `hash` is missing": "[[keys]]\nname = 'alice'",
    "p.toml: keys[0].key: there is no such setting": KEY + "key = 'sk-secret'",
    "p.toml: keys[0].name: the name of a key has 1 to 100 printable characters": KEY.replace("alice", " "),
    "p.toml: keys[0].hash: expected sha256: and 64 digits, as `penstock keys new` prints them": KEY.replace(
        HASH, "sk-secret"
    ),
    "p.toml: keys[0].expires: expected a date or date-time without quotes, such as 2030-01-31": KEY
    + "expires = '2030-01-31'",
    "p.toml: keys[1].hash: there is another entry for the same key": KEY + KEY.replace("alice", "bob"),
    "p.toml: upstream: give either this or `upstreams`": f"upstream = 'http://a'\n{CLOUD}",
    "p.toml: upstreams: expected an array of tables": "upstreams = 1",
    "p.toml: upstreams[0]: expected a table": "upstreams = ['http://a']",
    "p.toml: upstreams[0]: `url` is missing": "upstreams = [{name = 'cloud'}]",
    "p.toml: upstreams[1].name: there is another upstream of the name 'cloud'": CLOUD + CLOUD,
    "p.toml: upstreams[0].model: there is no such setting; did you mean models?": CLOUD + "model = 'm'",
    "p.toml: upstreams[0].models[0]: expected `str`, got `int`": CLOUD + "models = [1]",
    "p.toml: upstreams[0].key: expected a `str`, got `int`": CLOUD + "key = 1",
    "p.toml: upstreams[0].key: a secret must not be empty": CLOUD + "key = ''",
    "p.toml: upstreams[0].key_env: give either this or `key`": CLOUD + "key = 'sk-secret'\nkey_env = 'KEY'",
    "p.toml: upstreams[0].headers: 'x y' cannot be the name of a header": CLOUD + "headers = {'x y' = 'sk-secret'}",
    "p.toml: upstreams[0].headers: Content-Length is about the end of a request": CLOUD
    + "headers = {'Content-Length' = '0'}",
    "p.toml: upstreams[0].proxy: the upstream's URL names a Unix socket, which no proxy can reach": CLOUD.replace(
        "http://a", "http+unix://%2Fa"
    )
    + "proxy = 'http://a'",
    "p.toml: upstreams[0].dialect: expected one of chat_completions": CLOUD + "dialect = 'morse'",
    "p.toml: upstreams[0].options: expected a table": CLOUD + "options = 1",
    "p.toml: upstreams[0].preset: expected one of vllm, ": CLOUD + "preset = 1",
    "p.toml: upstreams[0].weight: upstreams share by weight within one `priority`: give that too": CLOUD + "weight = 2",
    "p.toml: upstreams[0].weight: expected `float` > 0.0": CLOUD + "priority = 1\nweight = 0",
    "p.toml: upstreams[0].tls.cafile: there is no such setting; did you mean ca_file?": CLOUD + "tls.cafile = 'x'",
    "p.toml: upstreams[0].tls: the upstream's URL does not begin with https://": CLOUD + "tls.insecure = true",
    "p.toml: upstreams[0].tls.key_file: the `cert_file` of this key is missing": CLOUD.replace("http", "https")
    + "tls.key_file = 'x'",
    "p.toml: upstreams[0].tls.insecure: give either this or `ca_file`": CLOUD.replace("http", "https")
    + "tls = {insecure = true, ca_file = 'x'}",
    "p.toml: upstreams[0].proxy: a URL begins with http:// or https://": CLOUD + "proxy = 'socks5://me:sk-secret@a'",
    "p.toml: upstreams[0].proxy: the URL has no host": CLOUD + "proxy = 'http://'",
    "p.toml: upstreams[0].options.system_role: expected one of system, developer": CLOUD
    + "options.system_role = 'boss'",
}


def mistake(flags: dict[str, str], env: dict[str, str], text: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        load(flags, env, ConfigFile("p.toml", text))
    message = str(caught.value)
    assert "\n" not in message
    assert "sk-" not in message
    return message


@pytest.mark.parametrize("message", FLAGS)
def test_a_wrong_flag(message: str) -> None:
    assert mistake(FLAGS[message], {}) == message


@pytest.mark.parametrize(("message", "url"), [(message, url) for message, urls in URLS.items() for url in urls])
def test_a_wrong_url(message: str, url: str) -> None:
    assert mistake({"upstream": url}, {}) == f"--upstream: {message}"


@pytest.mark.parametrize("message", VARIABLES)
def test_a_wrong_variable(message: str) -> None:
    assert mistake({}, VARIABLES[message]) == message


@pytest.mark.parametrize("message", FILES)
def test_a_wrong_file(message: str) -> None:
    assert mistake({}, {}, FILES[message]).startswith(message)


NAMES = st.sampled_from(["host", "port", "workers", "log_level", "upstream", "upstream_key_env", "model"])
LISTS = st.sampled_from(["PENSTOCK_API_KEYS", "PENSTOCK_ALLOWED_HOSTS", "PENSTOCK_LIMITS_IDLE_S", "PENSTOCK_X"])


@given(st.dictionaries(NAMES, st.text()), st.dictionaries(LISTS, st.text()), st.text())
def test_whatever_is_given_there_are_settings_or_one_line(
    flags: dict[str, str], env: dict[str, str], text: str
) -> None:
    try:
        loaded: Any = load(flags, env, ConfigFile("p.toml", text))
    except SettingsError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert isinstance(loaded, Settings)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tokens=x", "synthetic.profiles.slow: 'tokens': 'x' is not a number. (offset 7) (line 2)"),
        ("profile=slow", "synthetic.profiles.slow: A profile cannot have another one. (offset 8) (line 2)"),
        ("itl_ms=quantiles(gpu)", "synthetic.profiles.slow: 'itl_ms': There is no table 'gpu' of quantiles."),
    ],
)
def test_a_wrong_profile_is_named(text: str, problem: str) -> None:
    file = ConfigFile("penstock.toml", f"[synthetic.profiles]\nslow = '{text}'\n")
    with pytest.raises(SettingsError) as raised:
        load({}, {}, file)
    assert str(raised.value).startswith(f"penstock.toml: {problem}")


@pytest.mark.parametrize("table", ["profiles", "quantiles"])
@pytest.mark.parametrize("name", ["a&b", "a=b", "a b", "a,b", "a)", "gerät", " "])
def test_a_name_that_no_option_can_have_is_a_mistake(table: str, name: str) -> None:
    """It could not be used: the grammar of options, and headers, have other meanings for it."""
    file = ConfigFile("f", f"[synthetic.{table}]\n'{name}' = 'tokens=5'\n")
    with pytest.raises(SettingsError) as raised:
        load({}, {}, file)
    message = f"f: synthetic.{table}: {name!r} is not a name of letters, digits, '.', '_' and '-' (line 1)"
    assert str(raised.value) == message


def test_a_profile_may_use_quantiles() -> None:
    file = ConfigFile(
        "f", "[synthetic]\nprofiles = { a = 'itl_ms=quantiles(gpu)' }\nquantiles = { gpu = 'gaps.txt' }\n"
    )
    assert load({}, {}, file).synthetic.quantiles == {"gpu": "gaps.txt"}
