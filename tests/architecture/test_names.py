"""Names state what a thing is; some words only state that it does something."""

import re

from architecture.source import everything

EMPTY_WORDS = {"handler", "helper", "manager", "processor", "util"}
OF_HOSTS = {"penstock_adapters.aws_lambda.handler": "AWS Lambda's word for the entry point"}
WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def words(name: str) -> set[str]:
    return {word.lower().removesuffix("s") for word in WORD.findall(name.rpartition(".")[2])}


def test_no_name_is_an_empty_word() -> None:
    names = [name for module in everything() for name, _ in module.definitions()]
    names += [module.name for module in everything()]
    assert {name for name in names if words(name) & EMPTY_WORDS} == set(OF_HOSTS)


def test_the_words_of_a_name() -> None:
    assert words("penstock.HTTPHandlers") == {"http", "handler"}
    assert words("penstock.handle_request") == {"handle", "request"}
