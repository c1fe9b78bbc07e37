"""Prompt templates: what a request becomes that names one, and what is wrong with those that cannot."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import LIMITS, Json, Table, to_json
from penstock.engine import decode
from penstock.engine.context.prompts import apply_prompt, newest
from penstock.engine.request.decode import Decoded
from penstock.errors import ApiError
from penstock.ports import PromptBroken

IMAGE = {"type": "input_image", "image_url": "data:,", "detail": "low"}
FILE = {"type": "input_file", "file_data": "AAAA", "filename": "a.pdf"}
TEXT = {"type": "input_text", "text": "a part"}


def applied(template: Json, variables: Json | None = None, **request: Any) -> Decoded:
    prompt = {"id": "p"} | ({"variables": variables} if variables else {})
    return ask(Table(p={"1": template}), prompt, **request)


def ask(table: Any, prompt: Json, **request: Any) -> Decoded:
    decoded = decode(json.dumps({"prompt": prompt, **request}).encode(), LIMITS)
    assert decoded.request.prompt is not None
    return asyncio.run(apply_prompt(decoded, decoded.request.prompt, table, LIMITS))


def refused(template: Json, variables: Json | None = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        applied(template, variables)
    return caught.value


def leading(decoded: Decoded) -> Any:
    return to_json(decoded.leading)


def message_of(content: Any, role: str = "user") -> Json:
    return {"type": "message", "role": role, "content": content}


# What is filled in.


def test_the_template_gives_what_the_request_does_not_contain() -> None:
    template = {"model": "small", "instructions": "Be brief.", "temperature": 0.2, "max_output_tokens": 9}
    request = applied(template, input="Hi", temperature=0, top_p=0.5).request
    assert (request.model, request.instructions, request.max_output_tokens) == ("small", "Be brief.", 9)
    assert (request.temperature, request.top_p, request.input) == (0, 0.5, "Hi")
    assert applied(template, instructions="Be long.").request.instructions == "Be long."


def test_its_items_stand_apart_and_first() -> None:
    decoded = applied(
        {"input": [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]}, input="3"
    )
    assert leading(decoded) == [message_of("One"), message_of("Two", "assistant")]
    assert decoded.request.input == "3"
    assert leading(applied({"input": "One"})) == [message_of("One")]


def test_strings_stand_in_instructions_and_messages() -> None:
    template = {"instructions": "You are {{ who }}.", "input": "{{greeting}}, {{greeting}}! { {who}} {{}}"}
    decoded = applied(template, {"who": "Ada", "greeting": "{{who}}"})
    assert decoded.request.instructions == "You are Ada."
    assert leading(decoded) == [message_of("{{who}}, {{who}}! { {who}} {{}}")]


@pytest.mark.parametrize("part", [IMAGE, FILE, TEXT], ids=lambda part: str(part["type"]))
def test_a_part_stays_a_part(part: Json) -> None:
    decoded = applied({"input": "Look: {{it}} and {{what}}?"}, {"it": part, "what": "why"})
    texts = [{"type": "input_text", "text": text} for text in ("Look: ", " and why?")]
    assert leading(decoded) == [message_of([texts[0], part, texts[1]])]
    assert leading(applied({"input": "{{it}}"}, {"it": part})) == [message_of([part])]


def test_parts_of_a_template_are_filled_one_by_one() -> None:
    content = [{"type": "input_text", "text": "{{it}}{{it}}"}, FILE, {"type": "input_text", "text": "end"}]
    decoded = applied({"input": [{"role": "user", "content": content}]}, {"it": IMAGE})
    assert leading(decoded) == [message_of([IMAGE, IMAGE, FILE, {"type": "input_text", "text": "end"}])]


def test_where_only_text_can_stand_a_text_part_is_text() -> None:
    template = {"instructions": "{{it}}.", "input": [{"role": "developer", "content": "See {{it}}"}]}
    decoded = applied(template, {"it": TEXT})
    assert (decoded.request.instructions, leading(decoded)) == ("a part.", [message_of("See a part", "developer")])


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_and_an_image_cannot(role: str) -> None:
    error = refused({"input": [{"role": role, "content": "See {{it}}"}]}, {"it": IMAGE})
    assert (error.status, error.param) == (400, "prompt.variables.it")
    assert refused({"instructions": "{{it}}"}, {"it": IMAGE}).param == "prompt.variables.it"


def test_the_effective_version_is_reported() -> None:
    table = Table(p={"9": {"input": "old"}, "10": {"input": "new"}})
    for version, result, text in ((None, "10", "new"), ("9", "9", "old"), ("10", "10", "new")):
        decoded = ask(table, {"id": "p", "version": version})
        assert decoded.request.prompt is not None
        assert (decoded.request.prompt.version, leading(decoded)) == (result, [message_of(text)])


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["1", "10", "9"], "10"),
        (["1.9", "1.10", "1"], "1.10"),
        (["v2", "v11", "v3"], "v11"),
        (["2", "2-b"], "2-b"),
        (["01", "1"], "1"),
    ],
)
def test_the_newest_version(versions: list[str], expected: str) -> None:
    assert newest(versions) == newest(versions[::-1]) == expected


@given(st.lists(st.text(alphabet="019.-ab", min_size=1, max_size=5), min_size=1, unique=True), st.randoms())
def test_any_versions_have_one_newest(versions: list[str], chance: Any) -> None:
    shuffled = versions[:]
    chance.shuffle(shuffled)
    assert newest(versions) == newest(shuffled)


@given(st.text(), st.text(), st.text())
def test_any_text_is_put_in_as_it_is(before: str, value: str, after: str) -> None:
    before, after = before.replace("{", "("), after.replace("}", ")")
    template = {"instructions": f"{before}{{{{x}}}}{after}", "input": f"{before}{{{{x}}}}{after}"}
    try:
        decoded = applied(template, {"x": value})
    except UnicodeEncodeError:
        return
    assert decoded.request.instructions == before + value + after
    assert leading(decoded)[0]["content"] == before + value + after


# What is refused.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("city type text x".split()), inner),
    max_leaves=8,
)


@given(JSON, st.none() | st.text(alphabet=st.characters(codec="utf-8")))
def test_any_variables_and_version_are_taken_or_named(variables: Any, version: str | None) -> None:
    try:
        ask(Table(p={"1": {"input": "To {{city}}"}}), {"id": "p", "version": version, "variables": variables})
    except ApiError as error:
        status = 404 if error.param == "prompt.version" else 400
        assert error.status == status
        assert (error.param or "").startswith("prompt.v")


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        ({"id": "q"}, "prompt.id"),
        ({"id": "../p"}, "prompt.id"),
        ({"id": ""}, "prompt.id"),
        ({"id": "p", "version": "2"}, "prompt.version"),
        ({"id": "p", "version": "../1"}, "prompt.version"),
        ({"id": "p"}, "prompt.variables.city"),
        ({"id": "p", "variables": {}}, "prompt.variables.city"),
        ({"id": "p", "variables": {"city": "Rome", "town": "x"}}, "prompt.variables.town"),
        ({"id": "p", "variables": {"city": 5}}, "prompt.variables.city"),
        ({"id": "p", "variables": {"city": None}}, "prompt.variables.city"),
        ({"id": "p", "variables": {"city": {"type": "output_text", "text": "x"}}}, "prompt.variables.city"),
        ({"id": "p", "variables": {"city": {"type": "input_text"}}}, "prompt.variables.city"),
    ],
    ids=str,
)
def test_what_is_not_there_is_named(prompt: Json, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        ask(Table(p={"1": {"input": "To {{city}}"}}), prompt)
    status = 400 if "variables" in param else 404
    assert (caught.value.status, caught.value.param) == (status, param)


def test_without_templates_there_is_no_prompt() -> None:
    with pytest.raises(ApiError) as caught:
        ask(None, {"id": "p"})
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "prompt_not_found", "prompt.id")


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        ({"temperature": 9}, "temperature"),
        ({"banana": 1}, "there is no field 'banana'"),
        ({"stream": True}, "'stream' is for requests"),
        ({"prompt": {"id": "p"}}, "'prompt' is for requests"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, r"input\[0\] refers"),
        ({"tools": [{"type": "function", "name": "f", "parameters": 1}]}, "parameters"),
    ],
    ids=str,
)
def test_a_broken_template_is_our_fault_and_the_log_knows(
    template: Json, mistake: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "penstock.prompts"):
        error = refused(template)
    assert (error.status, error.type, error.retriable) == (500, "server_error", False)
    assert "'p'" in error.message
    [line] = caplog.messages
    assert line.startswith("prompt template p/1.toml: ")
    with pytest.raises(PromptBroken, match=mistake):
        raise PromptBroken("", line)
