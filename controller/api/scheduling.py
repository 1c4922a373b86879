"""The typed parts of a pod template: affinity, tolerations and topologySpreadConstraints, with the fields that Kubernetes defines.

Kubernetes checks the values of operators and effects when the pod is created. Fields that reach into other namespaces
(`namespaces` and `namespaceSelector` of an affinity to pods) are left out: no reference of a Run leaves its namespace.
"""

from __future__ import annotations

from controller.api.shapes import MAX_ITEMS, MAX_KEY, Items, Typed, Values, key, listed, number, text

MAX_VALUE = 253
"""Maximum characters of a value to compare with: a label's value has at most 63, a node's name 253."""

MAX_INT32 = 2**31 - 1
"""The largest count; as seconds, 68 years. A 64-bit limit would not do: Helm writes numbers as floats and would round it."""

KEY, WORD, VALUE = text(MAX_KEY), text(63), text(MAX_VALUE)
VALUES = listed(VALUE)
EXPRESSIONS = listed({"key": KEY, "operator": WORD, "values": VALUES})
SELECTOR = {"matchLabels": Values(VALUE, key, MAX_ITEMS), "matchExpressions": EXPRESSIONS}
WEIGHT = number(1, 100)

NODE_TERM = {"matchExpressions": EXPRESSIONS, "matchFields": EXPRESSIONS}
POD_TERM = {
    "labelSelector": SELECTOR,
    "topologyKey": KEY,
    "matchLabelKeys": listed(KEY),
    "mismatchLabelKeys": listed(KEY),
}
NODE_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": listed(NODE_TERM)},
    "preferredDuringSchedulingIgnoredDuringExecution": listed({"weight": WEIGHT, "preference": NODE_TERM}),
}
POD_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": listed(POD_TERM),
    "preferredDuringSchedulingIgnoredDuringExecution": listed({"weight": WEIGHT, "podAffinityTerm": POD_TERM}),
}

AFFINITY = Typed(
    {"nodeAffinity": NODE_AFFINITY, "podAffinity": POD_AFFINITY, "podAntiAffinity": POD_AFFINITY},
    "The nodes that the pod prefers or requires, and the pods of the Run's namespace to be near to or away from; as in a pod.",
)
TOLERATIONS = Typed(
    listed(
        {
            "key": KEY,
            "operator": WORD,
            "value": VALUE,
            "effect": WORD,
            "tolerationSeconds": number(-MAX_INT32, MAX_INT32),
        }
    ),
    "The taints that the pod tolerates; as in a pod.",
)
SPREAD = Typed(
    Items(
        {
            "maxSkew": number(1, MAX_INT32),
            "minDomains": number(1, MAX_INT32),
            "topologyKey": KEY,
            "whenUnsatisfiable": WORD,
            "labelSelector": SELECTOR,
            "matchLabelKeys": listed(KEY),
            "nodeAffinityPolicy": WORD,
            "nodeTaintsPolicy": WORD,
        },
        MAX_ITEMS,
    ),
    "The spread of the pods of the Run's namespace over nodes and zones; as in a pod.",
)
