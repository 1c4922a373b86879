"""A reference to CA certificates, for agents' pods and for the source of a workspace."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from controller.api.base import ApiModel, Name

FileName = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class CaBundle(ApiModel):
    """A file of CA certificates in a ConfigMap, such as the one that trust-manager keeps in each namespace."""

    config_map_name: Name = Field(description="Name of the ConfigMap, in the Run's namespace.")
    key: FileName = Field(
        default="ca.crt", description="Its key with the certificates in PEM, also the public ones: most programs read no others."
    )
