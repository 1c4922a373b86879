"""A mutant: a guard that is switched off for a while, by replacing functions of the shipped code or of the model's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from controller.plan.rules import agent_rules

Patch = tuple[Any, str, Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard that is switched off: its description, the configurations that should detect it, and the patches."""

    name: str
    about: str
    configs: tuple[str, ...]
    patches: Callable[[], list[Patch]]
    redundant: str = ""
    """The reason why no configuration detects the mutant, if so."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run with the shipped code without this guard."""
        with ExitStack() as stack:
            for target, name, value in self.patches():
                stack.enter_context(patch.object(target, name, value))
            yield


def agent_rule(name: str, mutated: Any) -> list[Patch]:
    """Replace a rule for one agent."""
    return [
        (
            agent_rules,
            "AGENT_RULES",
            tuple(replace(rule, check=mutated) if rule.id == name else rule for rule in agent_rules.AGENT_RULES),
        )
    ]
