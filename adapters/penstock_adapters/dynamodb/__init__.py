"""The store in DynamoDB: `dynamodb://TABLE?region=eu-west-1`, by our own client, without a package of AWS.

It needs one table, which it makes itself where it may, and single-row writes with conditions. It uses no transactions
of DynamoDB: they cost twice as much, and have a hundred rows at most. What changes several rows is decided by one of
them, and completed by the next process that finds it unfinished. Reads are consistent, but those of the indexes for
sweeps and for background responses of other processes.

Expiry is judged by the clock of each process; DynamoDB itself removes expired rows by its time to live.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from penstock_adapters.aws import AwsApi, CredentialsChain
from penstock_adapters.aws.credentials import ConnectUrl
from penstock_adapters.aws.signature import Scope

from .address import table_address
from .maintenance import Maintenance
from .table import Table
from .trails import Trails

__all__ = ["DynamoStore"]

_log = logging.getLogger("penstock.dynamodb")


class DynamoStore(Maintenance):
    """A `Store` in the table at a URL. It connects at its first use. Raises `ValueError` for a wrong URL."""

    def __init__(
        self,
        url: str,
        connect: ConnectUrl,
        environment: Mapping[str, str],
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        address = table_address(url, environment)
        credentials = CredentialsChain(environment, connect, now_s)
        scope = Scope(address.region, "dynamodb")
        api = AwsApi(address.endpoint, scope, credentials, connect, logger=_log, now_s=now_s)
        self._table = Table(api, address.table)
        self._trails = Trails()
        self._now_s = now_s
        self._expiries: OrderedDict[str, int | None] = OrderedDict()
