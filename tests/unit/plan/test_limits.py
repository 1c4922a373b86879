"""What a policy limits: tokens of an agent's pod."""

from __future__ import annotations

import pytest

from controller.api.base import JsonObject, parse
from controller.api.checks import parse_run_spec
from controller.api.policy import RunPolicySpec
from controller.plan.limits import tokens

CLOUD, VAULT = "sts.amazonaws.com", "vault"
REFUSED = "template.spec.volumes has a token for {}, but the policy allows {} (tokenAudiences)"


def template(*audiences: str) -> JsonObject:
    """Return an agent's template with a token for each audience, in one volume, and volumes of other kinds."""
    sources: list[JsonObject] = [{"serviceAccountToken": {"audience": each, "path": each}} for each in audiences]
    volumes = [{"name": "tokens", "projected": {"sources": [{"secret": {"name": "s"}}, *sources]}}, {"name": "e", "emptyDir": {}}]
    return {"spec": {"containers": [{"name": "agent", "image": "x"}], "volumes": volumes}}


@pytest.mark.parametrize(
    ("agent", "policy", "expected"),
    [
        ({"image": "x"}, {}, ""),
        ({"template": template()}, {}, ""),
        ({"template": template(CLOUD)}, {}, REFUSED.format(CLOUD, "none")),
        ({"template": template(CLOUD)}, {"tokenAudiences": []}, REFUSED.format(CLOUD, "none")),
        ({"template": template(CLOUD)}, {"tokenAudiences": [CLOUD]}, ""),
        ({"template": template(CLOUD, VAULT)}, {"tokenAudiences": [CLOUD]}, REFUSED.format(VAULT, CLOUD)),
        ({"template": template(VAULT)}, {"tokenAudiences": ["a", "b"]}, REFUSED.format(VAULT, "a, b")),
        ({"template": template(CLOUD, VAULT)}, {"tokenAudiences": [VAULT, CLOUD]}, ""),
    ],
)
def test_every_tokens_audience_is_one_of_the_policys(agent: JsonObject, policy: JsonObject, expected: str) -> None:
    """A template's tokens are for audiences that the policy names; the text has the first other one and those that it names."""
    (found,) = parse_run_spec({"spec": {"agents": [{"name": "coder"} | agent]}}).agents
    assert tokens(found, parse(RunPolicySpec, policy)) == expected


def test_no_policy_limits_nothing_here() -> None:
    """While no policy is in force nothing starts anyway, so the limit has no words of its own."""
    (found,) = parse_run_spec({"spec": {"agents": [{"name": "coder", "template": template(CLOUD)}]}}).agents
    assert tokens(found, None) == ""
