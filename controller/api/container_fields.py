"""Fields of a container that several parts of the API share: image, environment and resources."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from controller.api.base import ApiEnum, ApiModel, Argument, EnvName, Name, Text, Word
from controller.api.quantity import Quantity

Image = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class PullPolicy(ApiEnum):
    """The kubelet's policy of pulling the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class KeyRef(ApiModel):
    """One key of a Secret or ConfigMap."""

    name: Name = Field(description="Name of the Secret or ConfigMap, in the Run's namespace.")
    key: Word = Field(description="The key whose value is used.")
    optional: bool = Field(default=False, description="Whether the key may be missing.")


class FieldRef(ApiModel):
    """A field of the pod."""

    api_version: Word | None = Field(default=None, description="The schema version of fieldPath; v1 when not set.")
    field_path: Text = Field(description="Path of the field, for example metadata.name.")


class ResourceFieldRef(ApiModel):
    """A resource request or limit of a container."""

    container_name: Word | None = Field(default=None, description="The container; this one when not set.")
    resource: Word = Field(description="For example limits.memory.")
    divisor: Quantity | None = Field(default=None, description="Divisor of the value; 1 when not set.")


class EnvSource(ApiModel):
    """The source of an environment variable's value; set exactly one."""

    secret_key_ref: KeyRef | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyRef | None = Field(default=None, description="A key of a ConfigMap.")
    field_ref: FieldRef | None = Field(default=None, description="A field of the pod.")
    resource_field_ref: ResourceFieldRef | None = Field(default=None, description="A resource of a container.")


class EnvVar(ApiModel):
    """One environment variable; names that begin with RUNWATCHMAN_ are reserved for the operator."""

    name: EnvName = Field(description="Name of the variable; RUNWATCHMAN_* is reserved for the operator.")
    value: Argument | None = Field(default=None, description="The value; set this or valueFrom.")
    value_from: EnvSource | None = Field(default=None, description="The source of the value; set this or value.")


class EnvSourceName(ApiModel):
    """A whole Secret or ConfigMap."""

    name: Name = Field(description="Name of the object, in the Run's namespace.")
    optional: bool = Field(default=False, description="Whether the object may be missing.")


class EnvFrom(ApiModel):
    """All keys of a Secret or ConfigMap as environment variables; set exactly one source."""

    prefix: Word | None = Field(default=None, description="Prefix of all keys.")
    secret_ref: EnvSourceName | None = Field(default=None, description="The Secret.")
    config_map_ref: EnvSourceName | None = Field(default=None, description="The ConfigMap.")


class Resources(ApiModel):
    """The resource requests and limits of the container."""

    limits: dict[Word, Quantity] | None = Field(
        default=None,
        max_length=16,
        description="The most it may use, by resource (cpu in cores, memory in bytes).",
    )
    requests: dict[Word, Quantity] | None = Field(
        default=None,
        max_length=16,
        description="The amount reserved for it, by resource (cpu in cores, memory in bytes).",
    )
