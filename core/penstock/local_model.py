"""The routes of a server without upstreams: the synthetic model with its settings.

Only such a server imports this module, and with it the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.engine import Route, Routes
from penstock.ports import Siblings
from penstock.settings import Settings, SettingsError, SyntheticSettings

if TYPE_CHECKING:
    from penstock.dialects.synthetic.options import QuantileTable


def synthetic_routes(settings: Settings, read_file: Callable[[str], str], siblings: Siblings) -> Routes:
    """The route of the synthetic model. Raises `SettingsError`."""
    try:
        from penstock.dialects import synthetic
        from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream
    except ImportError:  # the zip of a function
        raise SettingsError("upstream", "this package is without the synthetic model: set PENSTOCK_UPSTREAM") from None

    local = SyntheticUpstream(
        settings.limits,
        settings.synthetic.profiles,
        read_quantiles(settings.synthetic, read_file),
        unknown_parameters=settings.unknown_parameters,
        siblings=siblings,
    )
    route = Route(
        name="synthetic",
        upstream=local,
        models=synthetic.MODELS,
        extras=synthetic.PARAMETERS,
        context_tokens=synthetic.CONTEXT_TOKENS,
        wire_faults=local.wire_faults,
        load=local.load,
        check_options=local.check_options,
        is_local=True,
    )
    return Routes([route], settings.model or synthetic.MODELS[0], limits=settings.limits)


def read_quantiles(settings: SyntheticSettings, read_file: Callable[[str], str]) -> dict[str, QuantileTable]:
    """The measured values of the synthetic model by name. Raises `SettingsError`."""
    from penstock.dialects.synthetic.options import read_table

    tables: dict[str, QuantileTable] = {}
    for name, path in settings.quantiles.items():
        where = f"synthetic.quantiles.{name}"
        try:
            tables[name] = read_table(name, read_file(path))
        except OSError as error:
            raise SettingsError(where, f"cannot read {path}: {error.strerror}") from None
        except ValueError as error:
            raise SettingsError(where, f"{path}: {error}") from None
    return tables
