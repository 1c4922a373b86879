"""Builds the CustomResourceDefinitions from the models: `build_crds()` returns all of them by file name."""

from controller.api.crd.kinds import build_crds, render

__all__ = ["build_crds", "render"]
