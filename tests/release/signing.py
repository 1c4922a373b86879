"""Signatures and attestations by cosign, with a key or with the identity of a workflow."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.binaries import find
from tests.cluster.processes import run
from tests.release.image import Registry

ISSUER = "https://token.actions.githubusercontent.com"
SBOM, PROVENANCE = "spdxjson", "slsaprovenance1"
"""cosign's names of the types of predicates."""
BUNDLE = ".sigstore.json"
NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}
"""A signing configuration without a certificate authority, a transparency log and a timestamp authority."""


@dataclass(frozen=True, slots=True)
class Signer:
    """cosign's options to sign and to verify, and its environment."""

    signs: tuple[str, ...]
    verifies: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()


def by_workflow(identity: str) -> Signer:
    """Return the signer with a workflow's own identity: a short-lived certificate, recorded in the public transparency log."""
    return Signer((), ("--certificate-identity", identity, "--certificate-oidc-issuer", ISSUER))


def by_new_key(folder: Path) -> Signer:
    """Generate a key pair in a folder and return its signer, which needs no service and leaves no record in a log."""
    (config := folder / "signing-config.json").write_text(json.dumps(NO_SERVICES))
    signer = Signer(
        ("--key", str(folder / "cosign.key"), "--signing-config", str(config)),
        ("--key", str(folder / "cosign.pub"), "--insecure-ignore-tlog=true"),
        (("COSIGN_PASSWORD", ""),),
    )
    cosign("generate-key-pair", signer=signer, cwd=folder)
    return signer


def sign(reference: str, registry: Registry, signer: Signer) -> None:
    """Sign an image or a chart, and everything that an index lists. Raises ClusterError."""
    cosign("sign", "--recursive", *_pushing(registry), *signer.signs, reference, signer=signer)


def attest(reference: str, kind: str, predicate: Path, registry: Registry, signer: Signer) -> None:
    """Attach a signed statement about an image or a chart. Raises ClusterError."""
    words = ("--type", kind, "--predicate", str(predicate))
    cosign("attest", *words, *_pushing(registry), *signer.signs, reference, signer=signer)


def sign_file(path: Path, signer: Signer) -> Path:
    """Sign a file and return the bundle with its signature, which has the file's name and a suffix. Raises ClusterError."""
    bundle = path.with_name(path.name + BUNDLE)
    cosign("sign-blob", "--yes", "--bundle", str(bundle), *signer.signs, str(path), signer=signer)
    return bundle


def verify(reference: str, registry: Registry, signer: Signer) -> None:
    """Verify the signature of an image or a chart. Raises ClusterError if it has no valid one."""
    cosign("verify", *_reading(registry), *signer.verifies, reference, signer=signer)


def verify_attestation(reference: str, kind: str, registry: Registry, signer: Signer) -> dict[str, Any]:
    """Return the predicate of an attached statement. Raises ClusterError if none has a valid signature."""
    printed = cosign("verify-attestation", "--type", kind, *_reading(registry), *signer.verifies, reference, signer=signer)
    return predicate_of(printed)


def verify_file(path: Path, signer: Signer) -> None:
    """Verify the signature of a file by the bundle that has its name. Raises ClusterError if it does not fit."""
    cosign("verify-blob", "--bundle", str(path.with_name(path.name + BUNDLE)), *signer.verifies, str(path), signer=signer)


def predicate_of(printed: str) -> dict[str, Any]:
    """Return the predicate in what `cosign verify-attestation` prints: an envelope, whose payload is a statement."""
    envelope = json.loads(printed.splitlines()[0])
    predicate: dict[str, Any] = json.loads(b64decode(envelope["payload"]))["predicate"]
    return predicate


def cosign(*arguments: str, signer: Signer, cwd: Path | None = None) -> str:
    """Run cosign and return its output. Raises ClusterError."""
    return run([str(find(["cosign"])["cosign"]), *arguments], env={**os.environ, **dict(signer.env)}, cwd=cwd)


def _reading(registry: Registry) -> tuple[str, ...]:
    return ("--allow-http-registry",) if registry.plain_http else ()


def _pushing(registry: Registry) -> tuple[str, ...]:
    return ("--yes", *_reading(registry))
