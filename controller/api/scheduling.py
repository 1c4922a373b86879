"""The typed parts of a pod template: affinity, tolerations and topologySpreadConstraints, field by field as Kubernetes has them.

Which operators and effects there are is Kubernetes' to say, when the pod is created. Fields that reach into other namespaces
(`namespaces` and `namespaceSelector` of an affinity to pods) are left out: no reference of a Run leaves its namespace.
"""

from __future__ import annotations

from controller.api.shapes import MAX_ITEMS, MAX_KEY, Items, Typed, Values, key, listed, number, text

MAX_VALUE = 253
"""Characters of a value that is compared: a label's has 63 at most, a node's name 253."""

MAX_INT32 = 2**31 - 1
"""The largest count; as seconds, 68 years. Helm writes numbers as floats, which hold no integer of 64 bits."""

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
    "Which nodes the pod wants, and which pods of the Run's namespace it wants near it or far from it; as in a pod.",
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
    "The taints that the pod bears; as in a pod.",
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
    "How the pods of the Run's namespace are spread over nodes and zones; as in a pod.",
)
