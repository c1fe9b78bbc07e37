"""The line of the file on which a mistake stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings import ConfigFile, SettingsError, load
from penstock.settings.lines import line_of
from requirements import shows

TEXT = """# penstock.toml
model = "qwen3"
limits.idle_s = 3

[[upstreams]]
name = "a"          # [[upstreams]]
url = "http://a"

[[upstreams]]
"name" = "b"
url = "http://b"
tls = { insecure = true }

[upstreams.options]
system_role = "system"

[synthetic . profiles]
slow = "x"
"""

LINES = {
    "model": 2,
    "limits.idle_s": 3,
    "upstreams": 5,
    "upstreams[0].name": 6,
    "upstreams[0].nothing": 5,
    "upstreams[1].name": 10,
    "upstreams[1].tls.insecure": 12,
    "upstreams[1].options.system_role": 15,
    "upstreams[1].options.nothing": 14,
    "upstreams[0].options.system_role": 5,
    "synthetic.profiles.slow": 18,
    "nothing": None,
    "": None,
}


@shows("mistaken-settings")
@pytest.mark.parametrize(("path", "line"), LINES.items())
def test_a_setting_has_its_line(path: str, line: int | None) -> None:
    assert line_of(TEXT, path) == line


MISTAKES = {
    "[[upstream]]\nname = 'a'": "p.toml: upstream: this is one URL; did you mean [[upstreams]]? (line 1)",
    "port = 1\n[upstream]\nurl = 'a'": "p.toml: upstream: this is one URL; did you mean [[upstreams]]? (line 2)",
    "\n[upstreams]\nname = 'a'": "p.toml: upstreams: expected an array of tables; did you mean [[upstreams]]? (line 2)",
    "prot = 1": "p.toml: prot: there is no such setting; did you mean port? (line 1)",
    "log_level = 'Debgu'": (
        "p.toml: log_level: expected one of debug, info, warning, error; did you mean debug? (line 1)"
    ),
    "[[upstreams]]\nname = 'a'\nurl = 'http://a'\npreset = 'vlm'": (
        "p.toml: upstreams[0].preset: expected one of vllm, llama.cpp, ollama, openai, openrouter, deepseek; "
        "did you mean vllm? (line 4)"
    ),
}


@shows("mistaken-settings")
@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_has_its_line_and_what_was_meant(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, {}, ConfigFile("p.toml", text))
    assert str(caught.value) == MISTAKES[text]


@given(st.text(), st.text())
def test_any_text_has_lines_or_none(text: str, path: str) -> None:
    line = line_of(text, path)
    assert line is None or 1 <= line <= len(text.splitlines())
