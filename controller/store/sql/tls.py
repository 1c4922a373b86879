"""How a connection to a PostgreSQL server is protected unless the URL says: TLS, with a certificate for the server's name.

libpq's own default (`prefer`) speaks in clear to whoever says that it knows no TLS, and believes every certificate.
"""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address
from pathlib import Path

import sqlalchemy as sa

VERIFIED = "verify-full"
SYSTEM = "system"
"""libpq's word for the roots that OpenSSL finds by itself."""
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the roots that they trust: the driver brings an OpenSSL of its own, which may not know."""


def tls_options(url: sa.URL) -> dict[str, str]:
    """Return what libpq is told of TLS: nothing where the URL or PGSSLMODE says, or where the server is on this machine."""
    if "sslmode" in url.query or "PGSSLMODE" in os.environ or is_local(url):
        return {}
    if "sslrootcert" in url.query or "PGSSLROOTCERT" in os.environ:
        return {"sslmode": VERIFIED}
    return {"sslmode": VERIFIED, "sslrootcert": system_roots()}


def is_local(url: sa.URL) -> bool:
    """Whether a URL leads to this machine alone: by a unix socket, or over loopback."""
    if "service" in url.query or "PGSERVICE" in os.environ:
        return False
    hosts = [*_given(url, "host", "PGHOST"), *_given(url, "hostaddr", "PGHOSTADDR")]
    return all(_is_local(host) for host in hosts)


def system_roots() -> str:
    """Return the file of the roots that this system trusts."""
    files = (ssl.get_default_verify_paths().cafile, *BUNDLES)
    return next((name for name in files if name and Path(name).exists()), SYSTEM)


def _given(url: sa.URL, option: str, variable: str) -> list[str]:
    """Return the values of an option, which may be several: repeated, or with commas between."""
    asked = url.query.get(option, ())
    values = [asked] if isinstance(asked, str) else list(asked)
    if option == "host" and url.host:
        values.append(url.host)
    return [one for value in values or [os.environ.get(variable, "")] for one in value.split(",")]


def _is_local(host: str) -> bool:
    if not host or host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
