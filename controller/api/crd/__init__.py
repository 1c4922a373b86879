"""CustomResourceDefinitions made from the models: `build_crds()` gives them all, by file name."""

from controller.api.crd.kinds import build_crds, render

__all__ = ["build_crds", "render"]
