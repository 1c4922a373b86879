"""Impossible values are refused before any object reaches a cluster, in a sentence that names the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.helm import HelmError, render

CODEX = "advisor.enabled=true,advisor.image.repository=x,advisor.credentials.existingSecret=s"

IMPOSSIBLE = [
    (
        "enabled=false",
        "enabled is false, which only an umbrella chart may set: give its dependency `condition: runwatchman.enabled`",
    ),
    ("store.type=sqlite,replicas=2", "store.type=sqlite is one file for one operator, but replicas is 2: set replicas to 1"),
    ("ledger.type=sqlite,replicas=3", "ledger.type=sqlite is one file for one operator, but replicas is 3: set replicas to 1"),
    ("store.type=sqlite,shards=2", "store.type=sqlite is one file for one operator, but shards is 2: set shards to 1"),
    ("ledger.type=sqlite,shards=3", "ledger.type=sqlite is one file for one operator, but shards is 3: set shards to 1"),
    ("shards=2,replicas=3", "replicas (3) is more than shards (2): the replicas beyond would have nothing to do"),
    ("store.type=external", "store.type=external needs store.external.existingSecret"),
    ("ledger.type=external", "ledger.type=external needs ledger.external.existingSecret"),
    ("store.sqlite.existingClaim=c", "store.sqlite.existingClaim is set, but store.type is status"),
    ("ledger.sqlite.existingClaim=c", "ledger.sqlite.existingClaim is set, but ledger.type is none"),
    ("store.external.existingSecret=s", "store.external.existingSecret is set, but store.type is status"),
    ("store.migrateFrom=status", "store.migrateFrom and store.type are both status: name the store that the Runs are in until now"),
    ("store.migrateFrom=external", "store.migrateFrom=external needs store.external.existingSecret"),
    (
        "store.type=annotations,store.migrateFrom=status,replicas=2",
        "store.migrateFrom=status needs the operator to be down, but replicas is 2: move the Runs with replicas=1",
    ),
    (
        "store.type=sqlite,ledger.type=sqlite,store.sqlite.existingClaim=c,ledger.sqlite.existingClaim=c",
        "are the same claim: give the ledger one of its own",
    ),
    (
        "store.type=external,ledger.type=external,store.external.existingSecret=s,ledger.external.existingSecret=s",
        "are the same key of the same Secret: give the ledger a database of its own",
    ),
    ("policy.llm.mode=Assist", "policy.llm.mode is Assist, but there is no advisor to ask: set advisor.enabled to true"),
    ("policy.llm.mode=Auto", "policy.llm.mode is Auto, but there is no advisor to ask"),
    ("advisor.enabled=true", "advisor.enabled needs advisor.image.repository"),
    ("advisor.enabled=true,advisor.image.repository=x", "advisor.preset=codex needs advisor.credentials.existingSecret"),
    ("advisor.enabled=true,advisor.image.repository=x,advisor.preset=raw", "advisor.preset=raw needs advisor.commands"),
    (f"{CODEX},policy.llm.command=claude", "policy.llm.command is claude, which is none of the advisor's commands (codex)"),
    (f"{CODEX},metrics.port=8083", "which the advisor beside the operator listens on: use another"),
    ("metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true", "every sample would count twice; keep one"),
    ("metrics.podMonitor.enabled=true", "metrics.podMonitor.enabled needs metrics.podMonitor.token.existingSecret"),
    ("metrics.secure=false,metrics.tls.existingSecret=s", "metrics.tls.existingSecret is set, but metrics.secure is false"),
    (
        "rbac.create=false,metrics.readers[0].kind=User,metrics.readers[0].name=x",
        "metrics.readers are bound by the chart, but rbac.create is false",
    ),
    ("metrics.enabled=false,metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.enabled needs metrics.enabled"),
    ("metrics.enabled=false,metrics.podMonitor.enabled=true", "metrics.podMonitor.enabled needs metrics.enabled"),
    ("metrics.enabled=false,metrics.prometheusRule.enabled=true", "metrics.prometheusRule.enabled needs metrics.enabled"),
    ("metrics.enabled=false,metrics.dashboard.enabled=true", "metrics.dashboard.enabled needs metrics.enabled"),
    ("lease.durationSeconds=10", "lease.durationSeconds (10) must be more than lease.renewDeadlineSeconds (10)"),
    ("lease.retryPeriodSeconds=9", "lease.renewDeadlineSeconds (10) must be more than 1.2 times lease.retryPeriodSeconds (9)"),
    ("podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1", "with replicas=1 would either block every drain"),
    ("replicas=2,podDisruptionBudget.enabled=true", "needs either minAvailable or maxUnavailable"),
    (
        "replicas=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1,podDisruptionBudget.maxUnavailable=1",
        "needs either minAvailable or maxUnavailable",
    ),
    (
        "replicas=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=2",
        "podDisruptionBudget.minAvailable (2) must be less than replicas (2): no node could be drained",
    ),
    ("serviceAccount.create=false", "serviceAccount.create=false needs serviceAccount.name"),
    ("admissionPolicies.install=false", "admissionPolicies.install=false leaves the inbox open to forgery"),
    ("namespaces={a,b,a}", "namespaces names one twice: keep one"),
    ("notifications.schemes={none,slack}", "notifications.schemes has none beside others"),
    ("reporter.enabled=false,reporter.image=x", "reporter.image is set, but reporter.enabled is false"),
    (
        "agents.podSecurity.runAsUser=2000,agents.podSecurity.reporterRunAsUser=2000",
        "agents.podSecurity.runAsUser and .reporterRunAsUser are both 2000: an agent could read the reporter's token",
    ),
    ("metrics.port=8081", "metrics.port and health.port are both 8081: give each its own"),
]

WRONG = [
    ("replicas=0", "/replicas"),
    ("replicas=two", "/replicas"),
    ("shards=0", "/shards"),
    ("shards=33", "/shards"),
    ("replicaCount=2", "replicaCount"),
    ("image.tag=a b", "/image/tag"),
    ("image.digest=sha256:abc", "/image/digest"),
    ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
    ("image.repository=", "/image/repository"),
    ("imagePullSecrets={name}", "/imagePullSecrets/0"),
    ("crds.install=maybe", "/crds/install"),
    ("crds.kept=true", "kept"),
    ("serviceAccount.name=Not_A_Name", "/serviceAccount/name"),
    ("namespaces={Team A}", "/namespaces/0"),
    ("namespaces=team", "/namespaces"),
    ("workers=0", "/workers"),
    ("workers=257", "/workers"),
    ("log.level=loud", "/log/level"),
    ("log.format=xml", "/log/format"),
    ("lease.durationSeconds=0", "/lease/durationSeconds"),
    ("reporter.intervalSeconds=0", "/reporter/intervalSeconds"),
    ("reporter.intervalSeconds=3601", "/reporter/intervalSeconds"),
    ("reporter.resources.requests.cpu=lots", "/reporter/resources/requests/cpu"),
    ("reporter.resources.request.cpu=50m", "request"),
    ("agents.podSecurity.runAsUser=0", "/agents/podSecurity/runAsUser"),
    ("agents.podSecurity.runAsUser=4294967296", "/agents/podSecurity/runAsUser"),
    ("agents.podSecurity.user=2000", "user"),
    ("agents.imagePullSecrets={registry}", "/agents/imagePullSecrets/0"),
    ("terminationGracePeriodSeconds=20", "/terminationGracePeriodSeconds"),
    ("policy.restartBudget=-1", "/policy/restartBudget"),
    ("policy.restartBudgt=1", "restartBudgt"),
    ("policy.restart_budget=1", "restart_budget"),
    ("policy.llm.mode=off", "/policy/llm/mode"),
    ("policy.llm.timeoutSeconds=0", "/policy/llm/timeoutSeconds"),
    ("policy.onBudgetSpent=Cry", "/policy/onBudgetSpent"),
    ("store.type=memory", "/store/type"),
    ("store.url=x", "url"),
    ("store.sqlite.size=0", "/store/sqlite/size"),
    ("store.migrateFrom=elsewhere", "/store/migrateFrom"),
    ("store.sqlite.accessMode=ReadWriteMany", "/store/sqlite/accessMode"),
    ("store.external.key=a/b", "/store/external/key"),
    ("ledger.type=status", "/ledger/type"),
    ("ledger.detail=some", "/ledger/detail"),
    ("ledger.maxAgeDays=0", "/ledger/maxAgeDays"),
    ("ledger.maxRows=0", "/ledger/maxRows"),
    ("notifications.schemes={http://x}", "/notifications/schemes/0"),
    ("notifications.allow={http://x}", "/notifications/allow/0"),
    ("notifications.secrets[0].name=x", "/notifications/secrets/0"),
    ("advisor.preset=gpt", "/advisor/preset"),
    ("advisor.credentials.env=A-B", "/advisor/credentials/env"),
    ("advisor.token=x", "token"),
    ("advisor.commands.x.preset=gpt", "/advisor/commands/x/preset"),
    ("advisor.commands.x.argv={a}", "/advisor/commands/x"),
    ("extraArgs={store}", "/extraArgs/0"),
    ("extraEnv[0].value=x", "/extraEnv/0"),
    ("extraVolumes[0].emptyDir.medium=Memory", "/extraVolumes/0"),
    ("extraObjects[0].kind=Pod", "/extraObjects/0"),
    ("metrics.port=0", "/metrics/port"),
    ("metrics.secure=maybe", "/metrics/secure"),
    ("metrics.readers[0].name=x", "/metrics/readers/0"),
    ("metrics.tls.ca.file=x", "/metrics/tls/ca"),
    ("metrics.port=70000", "/metrics/port"),
    ("metrics.serviceMonitor.interval=often", "/metrics/serviceMonitor/interval"),
    ("health.port=x", "/health/port"),
    ("networkPolicy.egressPorts={https}", "/networkPolicy/egressPorts/0"),
    ("podDisruptionBudget.minAvailable=most", "/podDisruptionBudget/minAvailable"),
    ("resources.request.cpu=1", "request"),
    ("fullnameOverride=Big", "/fullnameOverride"),
    ("nameOverride=My App", "/nameOverride"),
    ("namespaceOverride=Ops", "/namespaceOverride"),
    ("image=null", "missing property 'image'"),
    ("image.repository=null", "at '/image': missing property 'repository'"),
    ("namespaces=null", "missing property 'namespaces'"),
    ("metrics.service.ipFamilies={IPv5}", "/metrics/service/ipFamilies/0"),
    ("health.livenessProbe.port=1", "/health/livenessProbe"),
]


def refusal(home: Path, values: str) -> str:
    """Return the error for some values."""
    with pytest.raises(HelmError) as refused:
        render(home, "--set", values)
    return str(refused.value)


@pytest.mark.parametrize(("values", "sentence"), IMPOSSIBLE, ids=[values for values, _ in IMPOSSIBLE])
def test_an_impossible_combination_is_refused_with_a_sentence(values: str, sentence: str, tmp_path: Path) -> None:
    """Values that are each valid but cannot work together are refused with the reason and the remedy."""
    assert sentence in refusal(tmp_path, values)


@pytest.mark.parametrize(("values", "path"), WRONG, ids=[values for values, _ in WRONG])
def test_a_wrong_value_is_refused_with_its_path(values: str, path: str, tmp_path: Path) -> None:
    """A value of the wrong type or range, or an unknown one, is refused by the schema, which names it."""
    said = refusal(tmp_path, values)
    assert path in said
    assert "schema" in said


def test_what_is_refused_is_right_without_the_fault(tmp_path: Path) -> None:
    """The same values without the fault render: the fault is refused, not the setting."""
    for values in (
        "store.type=sqlite,replicas=1",
        "store.type=external,store.external.existingSecret=s,replicas=2",
        "store.type=status,store.migrateFrom=sqlite,store.sqlite.existingClaim=c",
        "store.type=status,store.migrateFrom=external,store.external.existingSecret=s",
        f"{CODEX},policy.llm.mode=Assist",
        "replicas=2,podDisruptionBudget.enabled=true,podDisruptionBudget.maxUnavailable=1",
        "lease.durationSeconds=11",
        "shards=3,replicas=2",
        "shards=2,store.type=external,store.external.existingSecret=s",
        "notifications.schemes={none}",
        "admissionPolicies.install=false,rbac.clusterRoles=false,crds.install=false",
        "policy.restartBudget=0",
        "metrics.podMonitor.enabled=true,metrics.secure=false",
        "rbac.create=false",
        "resources=null,reporter.resources=null,nodeSelector=null,podSecurityContext=null",
    ):
        assert "kind: Deployment" in render(tmp_path, "--set", values), values
