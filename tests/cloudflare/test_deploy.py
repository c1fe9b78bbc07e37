"""deploy/cloudflare: what its files name is there. `test_worker` runs its Worker, with these variables."""

from __future__ import annotations

import tomllib
from datetime import date

import pytest

from cloudflare.host import HERE
from cloudflare.wrangler import FOLDER, configuration
from penstock.version import VERSION
from penstock_adapters.cloudflare.settings import worker_settings

PYTHON_314 = date(2026, 9, 8)
"""The first compatibility date whose Workers have Python 3.14."""
SECRETS = {"PENSTOCK_API_KEYS": "sk-one", "UPSTREAM_KEY": "sk-upstream"}


@pytest.fixture(autouse=True)
def unlogged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of this process stays as it is."""
    monkeypatch.setattr("penstock_adapters.cloudflare.settings.configure_logging", lambda *_: None)


def test_the_variables_are_settings_and_name_secrets_and_bindings() -> None:
    given = configuration()
    settings = worker_settings(given["vars"] | SECRETS)
    assert settings.upstreams[0].key is not None
    assert settings.upstreams[0].key.reveal() == SECRETS["UPSTREAM_KEY"]
    assert settings.store in {f"d1://{each['binding']}" for each in given["d1_databases"]}
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"secret put {name}" in readme for name in SECRETS)
    assert f"https://{given['name']}." in readme


def test_the_worker_has_the_python_that_its_packages_need() -> None:
    given = configuration()
    assert "python_workers" in given["compatibility_flags"]
    assert date.fromisoformat(given["compatibility_date"]) >= PYTHON_314
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.14"
    tested = (HERE / "requirements.lock").read_text(encoding="utf-8")
    assert "workers-runtime-sdk==1.9" in tested
    assert project["dependencies"] == ["penstock", "workers-runtime-sdk>=1.9"]


def test_the_package_is_the_wheel_that_the_readme_makes() -> None:
    sources = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]["sources"]
    assert sources == {"penstock": {"path": f"wheels/penstock-{VERSION}-py3-none-any.whl"}}
    assert "`pip wheel --no-deps --wheel-dir wheels ../..`" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_entry_file_is_there() -> None:
    assert (FOLDER / configuration()["main"]).is_file()
