"""The shapes of vendors' tokens, as data: the patterns of fourteen detectors of detect-secrets 1.5.0, copied without a change.

Copyright 2017-2018 Yelp Inc. Licensed under the Apache License, Version 2.0, as this project is; the text is in LICENSE.
Source: https://github.com/Yelp/detect-secrets/tree/v1.5.0/detect_secrets/plugins. Of the library only these patterns were used, and
it has had no release since May 2024. Changes: a flag of a pattern is written in it, as (?i). Its patterns for JWT, npm, OpenAI and
private keys are left out: they can take quadratic time on hostile text, and the patterns in redaction.py match more.
"""

from __future__ import annotations

VENDOR_PATTERNS = (
    ("artifactory", r'(?:\s|=|:|"|^)AKC[a-zA-Z0-9]{10,}(?:\s|"|$)'),
    ("artifactory", r'(?:\s|=|:|"|^)AP[\dABCDEF][a-zA-Z0-9]{8,}(?:\s|"|$)'),
    ("aws", r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"),
    ("aws", r"""(?i)aws.{0,20}?(?:key|pwd|pw|password|pass|token).{0,20}?[\'\"]([0-9a-zA-Z/+]{40})[\'\"]"""),
    ("azure storage", r"AccountKey=[a-zA-Z0-9+\/=]{88}"),
    ("discord", r"[MNO][a-zA-Z\d_-]{23,25}\.[a-zA-Z\d_-]{6}\.[a-zA-Z\d_-]{27}"),
    ("github", r"(ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9_]{36}"),
    ("gitlab", r"(glpat|gldt|glft|glsoat|glrt)-[A-Za-z0-9_\-]{20,50}(?!\w)"),
    ("gitlab", r"GR1348941[A-Za-z0-9_\-]{20,50}(?!\w)"),
    ("gitlab", r"glcbt-([0-9a-fA-F]{2}_)?[A-Za-z0-9_\-]{20,50}(?!\w)"),
    ("gitlab", r"glimt-[A-Za-z0-9_\-]{25}(?!\w)"),
    ("gitlab", r"glptt-[A-Za-z0-9_\-]{40}(?!\w)"),
    ("gitlab", r"glagent-[A-Za-z0-9_\-]{50,1024}(?!\w)"),
    ("gitlab", r"gloas-[A-Za-z0-9_\-]{64}(?!\w)"),
    ("mailchimp", r"[0-9a-z]{32}-us[0-9]{1,2}"),
    ("pypi", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9-_]{70,}"),
    ("pypi", r"pypi-AgENdGVzdC5weXBpLm9yZw[A-Za-z0-9-_]{70,}"),
    ("sendgrid", r"SG\.[a-zA-Z0-9_-]{22}\.[a-zA-Z0-9_-]{43}"),
    ("slack", r"(?i)xox(?:a|b|p|o|s|r)-(?:\d+-)+[a-z0-9]+"),
    ("slack", r"(?i)https://hooks\.slack\.com/services/T[a-zA-Z0-9_]+/B[a-zA-Z0-9_]+/[a-zA-Z0-9_]+"),
    ("square", r"sq0csp-[0-9A-Za-z\\\-_]{43}"),
    ("stripe", r"(?:r|s)k_live_[0-9a-zA-Z]{24}"),
    ("telegram", r"\d{8,10}:[0-9A-Za-z_-]{35}"),
    ("twilio", r"AC[a-z0-9]{32}"),
    ("twilio", r"SK[a-z0-9]{32}"),
)
"""Vendor and pattern of a whole token, in the order in which they are applied."""
