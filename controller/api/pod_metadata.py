"""The labels and annotations that a policy gives to agents' pods, because rules of the namespace demand them of every pod."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from controller.api.base import ApiModel, Text
from controller.api.shapes import MAX_ITEMS, MAX_KEY
from controller.api.template_values import refused_annotation, refused_label

Key = Annotated[str, StringConstraints(max_length=MAX_KEY)]
LabelValue = Annotated[str, StringConstraints(max_length=63)]


class PodMetadata(ApiModel):
    """Labels and annotations of agents' pods. A template's come first; keys under runwatchman.dev/ are the operator's."""

    labels: dict[Key, LabelValue] | None = Field(
        default=None, max_length=MAX_ITEMS, description="Labels, for example of a team, for pods whose template has no such label."
    )
    annotations: dict[Key, Text] | None = Field(
        default=None, max_length=MAX_ITEMS, description="Annotations, for pods whose template has no such annotation."
    )

    @model_validator(mode="after")
    def _not_ours(self) -> Self:
        refusals = [refused_label(key) for key in self.labels or ()] + [refused_annotation(key) for key in self.annotations or ()]
        if refusal := next(filter(None, refusals), ""):
            raise ValueError(refusal)
        return self
