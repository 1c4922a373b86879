"""The parts of a RunPolicy that agents' pods get because of their cluster: variables such as a proxy's, and nodes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from controller.api.base import ApiEnum, ApiModel, Argument, EnvName, Word
from controller.api.shapes import MAX_KEY
from controller.api.template_values import env_name_fault


def _not_ours(name: str) -> str:
    if fault := env_name_fault(name):
        raise ValueError(fault)
    return name


Key = Annotated[str, StringConstraints(max_length=MAX_KEY)]


class Variable(ApiModel):
    """An environment variable with its value."""

    name: Annotated[EnvName, AfterValidator(_not_ours)] = Field(
        description="Name of the variable; RUNWATCHMAN_* is reserved for the operator."
    )
    value: Argument = Field(description="Its value.")


class TolerationOperator(ApiEnum):
    """The comparison of a taint with a toleration."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(ApiEnum):
    """The effect of a taint."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiModel):
    """A taint that agents' pods tolerate, as in a pod."""

    key: Key | None = Field(default=None, description="Key of the taint; every key when not set.")
    operator: TolerationOperator | None = Field(default=None, description="Exists or Equal, which is the default.")
    value: Word | None = Field(default=None, description="Value of the taint, with Equal.")
    effect: TaintEffect | None = Field(default=None, description="Effect of the taint; every effect when not set.")
