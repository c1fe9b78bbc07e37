"""The template for AWS: its validators, what it names within itself, and that it is what the code needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.files import DEPLOY, Json
from penstock.assembly import open_store
from penstock.settings import load
from penstock_adapters.aws_lambda.runners import SqsRunner
from penstock_adapters.drivers import STORES, aws_transport
from penstock_adapters.dynamodb.maintenance import table_definition
from support.server import ROOT

FOLDER = DEPLOY / "aws"
TEMPLATE = FOLDER / "template.yaml"
EVERYTHING = "LONG_STORE_TESTS"
SAM = "aws-sam-cli==1.170.0"
PSEUDO = {"AWS::Region", "AWS::Partition", "AWS::AccountId", "AWS::URLSuffix", "AWS::NoValue"}
ATTRIBUTES = {
    "AWS::DynamoDB::Table": {"Arn"},
    "AWS::SQS::Queue": {"Arn", "QueueName"},
    "AWS::Serverless::Function": {"Arn"},
    "AWS::Lambda::Url": {"FunctionUrl"},
}
"""The attributes by type, of the reference of CloudFormation's resources."""


class Tagged:
    """A function of CloudFormation, in its short form."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value


def read_template(text: str) -> Json:
    yaml = YAML(typ="safe", pure=True)

    def construct(constructor: Any, suffix: str, node: Any) -> Tagged:
        kind = type(node).__name__
        if kind == "ScalarNode":
            return Tagged(suffix, constructor.construct_scalar(node))
        return Tagged(suffix, constructor.construct_sequence(node, deep=True))

    yaml.constructor.add_multi_constructor("!", construct)
    return dict(yaml.load(text))


def tagged(value: Any) -> Iterator[Tagged]:
    """All functions in a value, the inner ones too."""
    if isinstance(value, Tagged):
        yield value
        value = value.value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from tagged(each)


def types(template: Json) -> dict[str, str]:
    """The types of resources by name, with the URLs that the transform makes of functions."""
    found = {name: resource["Type"] for name, resource in template["Resources"].items()}
    for name, resource in template["Resources"].items():
        if "FunctionUrlConfig" in resource.get("Properties", {}):
            found[f"{name}Url"] = "AWS::Lambda::Url"
    return found


def wrong_references(template: Json) -> list[str]:
    """What is named and is not there."""
    known = types(template)
    names = PSEUDO | known.keys() | template.get("Parameters", {}).keys()
    wrong = []
    for each in tagged(template):
        if each.name == "Ref":
            wrong += [] if each.value in names else [each.value]
        elif each.name == "GetAtt":
            wrong += [] if _has(known, each.value) else [each.value]
        elif each.name == "Sub":
            for name in re.findall(r"\$\{([^!}]+)\}", each.value):
                wrong += [] if name in names or _has(known, name) else [name]
        elif each.name == "If":
            wrong += [] if each.value[0] in template.get("Conditions", {}) else [each.value[0]]
    for resource in [*template["Resources"].values(), *template.get("Outputs", {}).values()]:
        wrong += [] if resource.get("Condition") in {None, *template.get("Conditions", {})} else [resource["Condition"]]
    return wrong


def _has(known: dict[str, str], path: str) -> bool:
    name, _, attribute = path.partition(".")
    return attribute in ATTRIBUTES.get(known.get(name, ""), set())


def resolved(value: Any, parameters: dict[str, str]) -> str | None:
    """The value of a variable, with values for parameters and resources. None where it is left out."""
    if not isinstance(value, Tagged):
        return str(value)
    if value.name == "If":
        return resolved(value.value[1], parameters)
    if value.name == "Sub":
        return re.sub(r"\$\{(\w+)\}", lambda match: parameters[match[1]], value.value)
    return parameters[value.value]


RESOLVED = {
    "Upstream": "https://api.example.com/v1",
    "UpstreamKey": "sk-upstream",
    "Model": "my-model",
    "ApiKeys": "sk-1,sk-2",
    "SealKeys": "A" * 43,
    "Table": "penstock-Table-1ABC",
    "Queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/penstock-Queue-1ABC",
}


@pytest.fixture(scope="module")
def template() -> Json:
    return read_template(TEMPLATE.read_text("utf-8"))


def test_cfn_lint_finds_nothing() -> None:
    subprocess.run([Path(sys.executable).with_name("cfn-lint"), TEMPLATE], check=True)


if EVERYTHING in os.environ:  # `make test-all`: it installs the SAM CLI

    def test_sam_finds_nothing() -> None:
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert uv is not None
        variables = {"SAM_CLI_TELEMETRY": "0", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        validate = ["sam", "validate", "--lint", "--region", "eu-west-1", "--template", str(TEMPLATE)]
        subprocess.run([uv, "tool", "run", "--from", SAM, *validate], check=True, env=os.environ | variables)


def test_everything_that_is_named_is_there(template: Json) -> None:
    assert wrong_references(template) == []
    used = {each.value[0] for each in tagged(template) if each.name == "If"}
    used |= {each.get("Condition") for each in [*template["Resources"].values(), *template["Outputs"].values()]}
    assert used - {None} == set(template["Conditions"])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Queue: !GetAtt Queue.Arn", "Queue: !GetAtt Queue.Url"),  # within events, where cfn-lint finds nothing
        ("!GetAtt DeadLetters.Arn", "!GetAtt Letters.Arn"),
        ("!Ref SealLayer", "!Ref Layer"),
        ("dynamodb://${Table}", "dynamodb://${Tabel}"),
        ("${FunctionUrl.FunctionUrl}", "${FunctionUrl.Url}"),
        ("!If [HasModel,", "!If [HaveModel,"),
        ("    Condition: HasGateway\n", "    Condition: HasGate\n"),
    ],
)
def test_a_wrong_name_is_found(right: str, wrong: str) -> None:
    text = TEMPLATE.read_text("utf-8")
    assert right in text
    assert wrong_references(read_template(text.replace(right, wrong, 1)))


def test_the_table_is_the_one_that_the_store_makes(template: Json) -> None:
    table = template["Resources"]["Table"]["Properties"]
    made = table_definition("name")
    assert {name: table[name] for name in made if name != "TableName"} == {
        name: value for name, value in made.items() if name != "TableName"
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_the_function_may_do_what_the_store_does_and_no_more(template: Json) -> None:
    source = (ROOT / "adapters" / "penstock_adapters" / "dynamodb" / "table.py").read_text("utf-8")
    called = set(re.findall(r'"((?:Batch)?(?:Get|Put|Update|Delete|Write)Item|Query)"', source))
    [statements] = [each["Statement"] for each in template["Resources"]["Function"]["Properties"]["Policies"]]
    allowed = {action.removeprefix("dynamodb:") for action in statements[0]["Action"]}
    assert allowed == called
    assert [each.value for each in statements[0]["Resource"]] == ["Table.Arn", "${Table.Arn}/index/*"]
    assert (statements[1]["Action"], statements[1]["Resource"].value) == ("sqs:SendMessage", "Queue.Arn")


def test_the_variables_are_settings_of_a_function(template: Json) -> None:
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    environment = {name: found for name, value in variables.items() if (found := resolved(value, RESOLVED))}
    settings = load({}, environment)
    assert settings.has_keys
    assert settings.upstreams[0].key is not None
    assert settings.upstreams[0].key.reveal() == "sk-upstream"
    assert settings.background_runner == RESOLVED["Queue"]
    region = {"AWS_REGION": "eu-west-1"}
    SqsRunner(settings.background_runner, aws_transport, region)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", "eu-west-1")
        assert open_store(settings.store or "", STORES) is not None


def test_the_function_is_what_make_lambda_makes(template: Json) -> None:
    from subprocess import check_output

    help_text = check_output([sys.executable, str(FOLDER / "make_zips.py"), "--help"], text=True)
    assert "build/lambda" in TEMPLATE.read_text("utf-8")
    assert "--arch" in help_text
    properties = template["Resources"]["Function"]["Properties"]
    layer = template["Resources"]["SealLayer"]["Properties"]
    version, [arch] = properties["Runtime"].removeprefix("python"), properties["Architectures"]
    assert properties["CodeUri"] == f"../../build/lambda/penstock-{version}-{arch}.zip"
    assert layer["ContentUri"] == f"../../build/lambda/penstock-seal-layer-{version}-{arch}.zip"
    assert (layer["CompatibleRuntimes"], layer["CompatibleArchitectures"]) == ([f"python{version}"], [arch])
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"LAMBDA_PYTHON ?= {version}\n" in makefile
    assert arch in makefile.partition("LAMBDA_ARCH   ?= ")[2].partition("\n")[0]
    wrapper = properties["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"]
    assert wrapper == "/var/task/bootstrap"
    assert os.access(FOLDER / "bootstrap", os.X_OK)


def test_a_message_is_hidden_for_longer_than_a_function_runs(template: Json) -> None:
    resources = template["Resources"]
    assert resources["Queue"]["Properties"]["VisibilityTimeout"] > resources["Function"]["Properties"]["Timeout"]
    queue = resources["Function"]["Properties"]["Events"]["Background"]["Properties"]
    assert (queue["BatchSize"], queue["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])


def test_both_entry_points_stream(template: Json) -> None:
    function = template["Resources"]["Function"]["Properties"]
    assert function["FunctionUrlConfig"] == {"AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"}
    [methods] = template["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"].values()
    integration = methods["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
    assert integration["responseTransferMode"] == "STREAM"
    assert integration["uri"].value.endswith("/response-streaming-invocations")
    assert integration["timeoutInMillis"] == 1_000 * function["Timeout"]


def test_the_readme_gives_parameters_that_are_there(template: Json) -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    overrides = readme.partition("--parameter-overrides ")[2].partition("\n")[0]
    given = set(re.findall(r"(\w+)=", overrides.replace("https://", "")))
    needed = {name for name, each in template["Parameters"].items() if "Default" not in each}
    assert needed <= given <= set(template["Parameters"])
    assert set(re.findall(r"`(\w+)=", readme)) <= set(template["Parameters"])
