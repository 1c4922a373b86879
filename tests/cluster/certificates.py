"""A certificate authority and the certificates of an API server's components, by openssl."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.processes import run

DAYS = "3650"
SERVER_NAMES = (
    "subjectAltName=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1"
)
SUBJECTS = {
    "apiserver": "/CN=kube-apiserver",
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kwok": "/O=system:masters/CN=kwok",
}
CLIENTS = ("admin", "controller-manager", "scheduler", "kwok")


def make_certificates(folder: Path) -> None:
    """Write ca, sa and one pair for each component into a folder."""
    openssl = "openssl"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run([openssl, "genrsa", "-out", f"{folder}/sa.key", "2048"])
    run([openssl, "rsa", "-in", f"{folder}/sa.key", "-pubout", "-out", f"{folder}/sa.pub"])
    ca = ["-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt"]
    usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
    run([openssl, "req", "-x509", *key, *ca, "-days", DAYS, "-subj", "/CN=runwatchman-test-ca", *usage])
    for name, subject in SUBJECTS.items():
        make_pair(folder, name, subject, SERVER_NAMES if name == "apiserver" else "")


def make_pair(folder: Path, name: str, subject: str, names: str = "") -> None:
    """Write a key and a certificate that the folder's authority has signed; a client's subject is its user (CN) and groups (O)."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(["openssl", "req", *key, "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr", "-subj", subject])
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"{names}\nauthorityKeyIdentifier=keyid\nkeyUsage=critical,digitalSignature\n")
    signer = ["-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key", "-CAcreateserial"]
    files = ["-in", f"{folder}/{name}.csr", "-out", f"{folder}/{name}.crt", "-extfile", str(extensions)]
    run(["openssl", "x509", "-req", *files, *signer, "-days", DAYS])


def write_kubeconfig(folder: Path, name: str, server: str) -> Path:
    """Write a kubeconfig for one of the clients and return its path."""
    path = folder / f"{name}.kubeconfig"
    path.write_text(f"""\
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "{server}", certificate-authority: "{folder}/ca.crt"}}}}]
users: [{{name: {name}, user: {{client-certificate: "{folder}/{name}.crt", client-key: "{folder}/{name}.key"}}}}]
contexts: [{{name: test, context: {{cluster: test, user: {name}}}}}]
current-context: test
""")
    path.chmod(0o600)
    return path
