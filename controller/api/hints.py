"""Hints for fields that are not allowed: what the author means by a name, then where it belongs, then what it nearly spells."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

CLOSE = 0.85
"""Least similarity of a misspelt name, 0 to 1. `imagee` is that near to `image`; `hostAliases` is not to `hostUsers`."""

MAX_LISTED = 12
"""Maximum allowed fields that a hint lists."""

DEADLINE = "use the Run's spec.activeDeadlineSeconds"
RESTARTS = "the operator restarts agents, within restartBudget of the RunPolicy"
NO_TOKEN = "agents get no token of their own; use a Secret for their credentials"  # noqa: S105  # words about tokens
ONE_POD = "each agent has one pod: list more agents in the Run's spec.agents"
ONE_NAMESPACE = "no reference leaves the Run's namespace"
WORKLOAD = "it belongs to a Deployment or Job around the pod: leave it out"
BESIDE = "it belongs beside template, in the agent"
IN_RUN = "it belongs in the Run's spec"
BRIEF = "use the Run's spec.brief"
SIDECARS = "use containers, or initContainers with restartPolicy Always for one that runs beside the agent"
RESOURCES = "use resources.limits and resources.requests"

MEANINGS = {
    "activedeadlineseconds": DEADLINE,
    "timeout": DEADLINE,
    "timeoutseconds": DEADLINE,
    "timeoutminutes": DEADLINE,
    "deadline": DEADLINE,
    "maxduration": DEADLINE,
    "ttl": DEADLINE,
    "restartpolicy": RESTARTS,
    "restartcount": RESTARTS,
    "backofflimit": RESTARTS,
    "backofflimitperindex": RESTARTS,
    "maxretries": RESTARTS,
    "maxrestarts": RESTARTS,
    "retries": RESTARTS,
    "retrypolicy": RESTARTS,
    "podfailurepolicy": "use outcomes of the RunPolicy",
    "successpolicy": "use outcomes of the RunPolicy",
    "ttlsecondsafterfinished": "use the Run's spec.ttlSecondsAfterFinished",
    "ttlsecondsafterfinish": "use the Run's spec.ttlSecondsAfterFinished",
    "suspend": "use the Run's spec.desiredState",
    "paused": "use the Run's spec.desiredState",
    "schedule": "a Run starts once: let a CronJob or your CI create Runs",
    "replicas": ONE_POD,
    "parallelism": ONE_POD,
    "completions": ONE_POD,
    "completionmode": ONE_POD,
    "selector": WORKLOAD,
    "strategy": WORKLOAD,
    "updatestrategy": WORKLOAD,
    "minreadyseconds": WORKLOAD,
    "revisionhistorylimit": WORKLOAD,
    "progressdeadlineseconds": WORKLOAD,
    "manualselector": WORKLOAD,
    "podreplacementpolicy": WORKLOAD,
    "podtemplate": "give its metadata and spec here",
    "podspec": "name it spec",
    "template": "give its metadata and spec here",
    "jobtemplate": "give the metadata and spec of its pod here",
    "volumeclaimtemplates": "use the agent's workspace: it is a claim that is kept across attempts",
    "volumeclaimtemplate": "use the agent's workspace: it is a claim that is kept across attempts",
    "storage": "use the agent's workspace.size",
    "serviceaccountname": NO_TOKEN,
    "serviceaccount": NO_TOKEN,
    "serviceaccounttoken": f"{NO_TOKEN}. Kubernetes adds this volume to each Pod: leave it and its mounts out",
    "hostpath": "use a persistentVolumeClaim, secret or configMap",
    "ephemeral": "use a persistentVolumeClaim, or the agent's workspace for one that the operator makes",
    "csi": "drivers act on the node: use a persistentVolumeClaim or a Secret",
    "nfs": "use a persistentVolumeClaim on a volume of that kind",
    "image": "it belongs in spec.containers[]; for a volume of an image's files, copy them in an init container",
    "gitrepo": "clone in an init container or in the agent",
    "environment": "use env of the container",
    "envvars": "use env of the container",
    "variables": "use env of the container",
    "secrets": "use envFrom of the container, or volumes",
    "entrypoint": "use command of the container",
    "cmd": "use command of the container",
    "arguments": "use args of the container",
    "workdir": "use workingDir of the container",
    "cpu": RESOURCES,
    "memory": RESOURCES,
    "limits": RESOURCES,
    "requests": RESOURCES,
    "gpu": "use resources.limits, for example nvidia.com/gpu: 1",
    "user": "use securityContext.runAsUser",
    "uid": "use securityContext.runAsUser",
    "podsecuritycontext": "use spec.securityContext",
    "containersecuritycontext": "use securityContext of the container",
    "extracontainers": SIDECARS,
    "sidecars": SIDECARS,
    "extrainitcontainers": "use initContainers",
    "extravolumes": "use volumes",
    "extraenv": "use env of the container",
    "pullsecrets": "use imagePullSecrets",
    "prompt": BRIEF,
    "initialprompt": BRIEF,
    "instructions": BRIEF,
    "task": BRIEF,
    "brief": BRIEF,
    "workspace": BESIDE,
    "required": BESIDE,
    "policyref": IN_RUN,
    "desiredstate": IN_RUN,
    "tokenbudget": IN_RUN,
    "agents": IN_RUN,
    "model": "pass it to your agent by args or env",
    "namespaces": ONE_NAMESPACE,
    "namespaceselector": ONE_NAMESPACE,
    "namespace": ONE_NAMESPACE,
}
"""Plain name of a field that people write, from Kubernetes, other operators and containers -> what to use here."""


IN_POLICY = {
    **dict.fromkeys(
        ("backofflimit", "maxretries", "retries", "maxrestarts", "restartlimit", "restarts", "restartpolicy"), "restartBudget"
    ),
    **dict.fromkeys(("cooldown", "cooldownseconds", "backoff", "backoffseconds", "retrydelay"), "restartCooldownSeconds"),
    **dict.fromkeys(("parallelism", "concurrency", "maxconcurrentruns", "maxruns"), "maxActiveRuns"),
    **dict.fromkeys(("ttl", "ttlsecondsafterfinish"), "ttlSecondsAfterFinished"),
    **dict.fromkeys(("podfailurepolicy", "exitcodes", "successpolicy"), "outcomes"),
    **dict.fromkeys(("approvers", "reviewers"), "responders"),
    **dict.fromkeys(("webhooks", "notify", "alerts"), "notifications"),
}
"""Plain name of a field that people write in a RunPolicy -> the policy's field."""


def plain_name(key: str) -> str:
    """Return a field's name without case, hyphens and underscores."""
    return key.lower().replace("-", "").replace("_", "")


def places(sections: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return where each field belongs, by its plain name: the first section that allows it."""
    found: dict[str, str] = {}
    for section, names in sections.items():
        for name in names:
            found.setdefault(plain_name(name), f"it belongs in {section}")
    return found


def hint(key: str, allowed: Iterable[str], elsewhere: Mapping[str, str]) -> str:
    """Return what to do about a field that is not allowed here. `elsewhere` is the result of `places`."""
    names, plain = sorted(allowed), plain_name(key)
    for name in names:
        if plain_name(name) == plain:
            return f"write {name}"
    if meaning := MEANINGS.get(plain) or elsewhere.get(plain):
        return meaning
    near = difflib.get_close_matches(key, names, n=1, cutoff=CLOSE)
    if near:
        return f"did you mean {near[0]}?"
    return f"allowed here: {', '.join(names)}" if len(names) <= MAX_LISTED else "docs/agents.md lists the allowed ones"
