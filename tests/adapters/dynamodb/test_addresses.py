"""The URL of a table, and what is imported for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from architecture.source import ROOT
from penstock.settings import SettingsError
from penstock_adapters.drivers import STORES
from penstock_adapters.dynamodb.address import table_address

REGION = {"AWS_REGION": "eu-west-1"}


def test_addresses() -> None:
    found = table_address("dynamodb://my.Table_1-x", REGION)
    assert (found.table, found.region, found.endpoint) == (
        "my.Table_1-x",
        "eu-west-1",
        "https://dynamodb.eu-west-1.amazonaws.com",
    )
    found = table_address("dynamodb://penstock?region=us-east-2&endpoint=http://127.0.0.1:8000/", REGION)
    assert (found.region, found.endpoint) == ("us-east-2", "http://127.0.0.1:8000")
    variables = {"AWS_DEFAULT_REGION": "cn-north-1"}
    assert table_address("dynamodb://abc", variables).endpoint == "https://dynamodb.cn-north-1.amazonaws.com.cn"
    everywhere = variables | {"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://b:2"}
    assert table_address("dynamodb://abc", everywhere).endpoint == "http://b:2"


@pytest.mark.parametrize(
    ("url", "environment", "problem"),
    [
        ("dynamodb://", REGION, "name of a table"),
        ("dynamodb://a", REGION, "name of a table"),
        ("dynamodb://user:password@table", REGION, "name of a table"),
        ("dynamodb://table/path", REGION, "name of a table"),
        ("dynamodb://table", {}, "no region"),
        ("dynamodb://table?region=Europe", {}, "not a region"),
        ("dynamodb://table?regoin=eu-west-1", REGION, "no option regoin"),
        ("dynamodb://table?endpoint=ftp://x", REGION, "endpoint is not a URL"),
        ("dynamodb://table?endpoint=http://user:password@x", REGION, "endpoint is not a URL"),
    ],
)
def test_wrong_addresses(url: str, environment: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as error:
        table_address(url, environment)
    assert "password" not in str(error.value)


def test_a_wrong_address_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    from penstock.assembly import open_store

    with pytest.raises(SettingsError, match="no region"):
        open_store("dynamodb://table", STORES)


def test_no_package_of_aws_is_imported() -> None:
    program = "import sys; from penstock_adapters.drivers import STORES\n"
    program += "STORES['dynamodb']('dynamodb://table?region=eu-west-1')\n"
    program += "print({'boto3', 'botocore', 'aiohttp', 'http.client', 'sqlite3'} & set(sys.modules))"
    path = os.pathsep.join([str(ROOT / "core"), str(ROOT / "adapters")])
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"
