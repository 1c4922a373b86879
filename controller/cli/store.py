"""`runwarden store`: show what a store holds, and move Runs from one store to another."""

from __future__ import annotations

from typing import Any

import click

from controller.errors import RunwardenError
from controller.store.factory import check_store_name


class StoreName(click.ParamType[str]):
    """The name of a store, or a database's URL."""

    name = "STORE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name if there is such a store, else fail with those that there are."""
        try:
            return check_store_name(value)
        except RunwardenError as error:
            self.fail(str(error), param, ctx)


STORE = StoreName()


@click.group()
def store() -> None:
    """Work with the store of the operator's states. The operator itself must not run meanwhile."""
