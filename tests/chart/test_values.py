"""values.yaml, its schema, and the chart's references to the rest of the project agree with each other."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from controller.adapter.metrics import AdapterMetrics
from controller.observability.metrics import Metrics
from tests.chart.helm import CHART, ROOT

VALUES_FILE = (CHART / "values.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
OPEN = (
    "policy",
    "global",
    "resources",
    "advisor.resources",
    "web.resources",
    "reporter.resources",
    "agents.podSecurity",
    "agents.caBundle",
    "agents.nodeSelector",
    "agents.resources",
    "agents.podMetadata",
    "nodeSelector",
    "podSecurityContext",
    "securityContext",
    "advisor.securityContext",
    "advisor.livenessProbe",
    "health.livenessProbe",
    "health.readinessProbe",
    "metrics.dashboard.labels",
)
"""Values whose fields are described by their own comment, or by Kubernetes."""

METRIC = re.compile(r"\brunwatchman_[a-z_]+")


def paths_of_values(node: object, prefix: str = "") -> set[str]:
    """Return the path of every value, without those of groups."""
    if not isinstance(node, dict) or not node or prefix in OPEN:
        return {prefix}
    return {path for key, value in node.items() for path in paths_of_values(value, f"{prefix}.{key}".lstrip("."))}


def paths_of_schema(node: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the path of every value that the schema knows."""
    if "properties" not in node or prefix in OPEN:
        return {prefix}
    return {path for key, inner in node["properties"].items() for path in paths_of_schema(inner, f"{prefix}.{key}".lstrip("."))}


def test_the_schema_knows_the_values_and_no_others() -> None:
    """Every value of values.yaml is in the schema, and every one of the schema in values.yaml (`global` is helm's own)."""
    assert paths_of_values(yaml.safe_load(VALUES_FILE)) == paths_of_schema(SCHEMA) - {"global"}


def test_every_value_is_described() -> None:
    """Each value has a comment in helm-docs' form above it."""
    lines = VALUES_FILE.splitlines()
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if re.match(r" *[A-Za-z]+: ?\S", line)
        and not above.lstrip().startswith(("# --", "#"))
        and not re.match(r" *(requests|limits):", line)
    ]
    assert bare == []


def test_versions_agree() -> None:
    """The chart's appVersion, the image's label and the package's version are equal."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version
    assert f"ARG VERSION={version}\n" in (ROOT / "Containerfile").read_text()


@pytest.mark.parametrize("name", ["alerts.yaml", "dashboard.json"])
def test_alerts_and_dashboard_ask_for_metrics_that_there_are(name: str) -> None:
    """Every metric in an alert or a panel is one of the operator's or the adapter's."""
    registry, advisors = Metrics().registry, CollectorRegistry()
    AdapterMetrics(advisors)
    ours = {
        f"{family.name}{suffix}"
        for family in [*registry.collect(), *advisors.collect()]
        for suffix in ("", "_total", "_bucket", "_info")
    }
    asked = set(METRIC.findall((CHART / "files" / name).read_text()))
    assert asked
    assert asked - ours == set()


def test_every_alert_says_what_to_do() -> None:
    """An alert has a severity, a summary and a description."""
    alerts = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    assert len({alert["alert"] for alert in alerts}) == len(alerts)
    for alert in alerts:
        assert alert["labels"]["severity"] in ("info", "warning", "critical")
        assert alert["annotations"].keys() == {"summary", "description"}
