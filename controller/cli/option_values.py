"""Values of options: how the text of a command line is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any, TypeVar

import click

T = TypeVar("T")

PAGE_URL = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


def parsed_by(read: Callable[[Any], T]) -> Callable[[click.Context, click.Parameter, Any], T]:
    """Return the callback of an option whose value a function reads."""
    return lambda _context, _parameter, value: read(value)


def listed(value: str) -> tuple[str, ...]:
    """Return the entries of a list, which commas separate."""
    return tuple(filter(None, map(str.strip, value.split(","))))


def page_url(value: str) -> str:
    """Return the page's URL without a slash at its end. Raises BadParameter."""
    url = value.rstrip("/")
    if url and not PAGE_URL.fullmatch(url):
        raise click.BadParameter(f"{value!r} is not https://HOST or https://HOST:PORT")
    return url


def addresses(value: str) -> tuple[str, ...]:
    """Return the entries of a list of addresses, if all are valid. Raises BadParameter."""
    from controller.notify.addresses import Allowed

    entries = listed(value)
    try:
        Allowed.of(entries)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return entries


def networks(value: str) -> tuple[str, ...]:
    """Return the entries of a list of networks in Kubernetes' notation. Raises BadParameter."""
    try:
        return tuple(str(ip_network(entry)) for entry in listed(value))
    except ValueError as error:
        raise click.BadParameter(f"{error}: write networks as CIDRs, such as 10.1.2.0/24 or 10.1.2.3/32") from error
