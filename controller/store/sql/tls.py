"""Default TLS options of connections to PostgreSQL: TLS with a certificate for the server's name, unless the URL sets others.

libpq's own default (`prefer`) falls back to plain text if a server claims not to support TLS, and trusts every certificate.
"""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address
from pathlib import Path

import sqlalchemy as sa

VERIFIED = "verify-full"
SYSTEM = "system"
"""libpq's value for the root certificates that OpenSSL finds by itself."""
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
"""Files with a distribution's root certificates: the driver has its own OpenSSL, which may not know them."""


def tls_options(url: sa.URL) -> dict[str, str]:
    """Return libpq's TLS options; none if the URL or PGSSLMODE sets them, or if the server is on this machine."""
    if "sslmode" in url.query or "PGSSLMODE" in os.environ or is_local(url):
        return {}
    if "sslrootcert" in url.query or "PGSSLROOTCERT" in os.environ:
        return {"sslmode": VERIFIED}
    return {"sslmode": VERIFIED, "sslrootcert": system_roots()}


def is_local(url: sa.URL) -> bool:
    """Whether a URL leads to this machine: by a unix socket, or over loopback."""
    if "service" in url.query or "PGSERVICE" in os.environ:
        return False
    hosts = [*hosts_of(url), *_given(url, "hostaddr", "PGHOSTADDR")]
    return all(_is_local(host) for host in hosts)


def hosts_of(url: sa.URL) -> list[str]:
    """Return the hosts of a URL, or of PGHOST; the driver tries them in turn."""
    return _given(url, "host", "PGHOST")


def system_roots() -> str:
    """Return the file of the root certificates that this system trusts."""
    files = (ssl.get_default_verify_paths().cafile, *BUNDLES)
    return next((name for name in files if name and Path(name).exists()), SYSTEM)


def _given(url: sa.URL, option: str, variable: str) -> list[str]:
    """Return the values of an option; there may be several, repeated or separated by commas."""
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
