"""Made-up credentials of many kinds, for tests that search for them in forbidden places. None was ever valid."""

from __future__ import annotations

SECRETS = {
    "aws id": "AKIA" + "Q3EGRZ7XK2PLMN5T",
    "aws key": "wJalrXUtnFEMI7K7MDENG" + "bPxRfiCYzT4q8LmNoPs",
    "github": "ghp_" + "a8Bq2Lx9Zt4Rw7Yn1Vc6Km3Pd5Hs0Jf2Ge4U",
    "github fine": "github_pat_" + "11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789",
    "gitlab": "glpat-" + "x9Kq2Lw7Zt4Rv8Yn1Vc6",
    "slack": "xoxb-" + "123456789012-123456789012-a8Bq2Lx9Zt4Rw7Yn1Vc6Km3P",
    "openai": "sk-" + "proj-a8Bq2Lx9Zt4Rw7Yn1Vc6Km3Pd5Hs0Jf2",
    "anthropic": "sk-ant-" + "api03-a8Bq2Lx9Zt4Rw7Yn1Vc6Km3Pd5Hs0Jf2Ge4UqX",
    "service account": "eyJhbGciOiJSUzI1NiIsImtpZCI6Ing5In0."
    + "eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0.c2lnbmF0dXJlLW9mLW5vdGhpbmc",
    "pem": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq2\nx9Kq2Lw7Zt4Rv8Yn\n-----END RSA PRIVATE KEY-----",
    "url": "postgres://admin:" + "hunter2-of-the-hills@db.internal/app",
    "password": "password: " + "correct-horse-battery",
    "quoted": '"client_secret": "' + 'tr0ub4dor and three"',
    "bearer": "Authorization: Bearer " + "abc123def456ghi789",
    "environment": "export DEPLOY_SALT=" + "9f8e7d6c5b4a39281706",
    "flag": "--token " + "opensesame99",
}
"""By kind, in the form in which each appears in a text."""

MARROW = {
    "pem": "MIIEowIBAAKCAQEA7bq2",
    "url": "hunter2-of-the-hills",
    "password": "correct-horse-battery",
    "quoted": "tr0ub4dor",
    "bearer": "abc123def456ghi789",
    "environment": "9f8e7d6c5b4a39281706",
    "flag": "opensesame99",
}
"""The part of a secret that must not be visible anywhere, unless it is all of it."""


def marrow(kind: str) -> str:
    """Return the part that must not be visible for a kind of secret."""
    return MARROW.get(kind, SECRETS[kind])
