"""The git image has every script of its folder."""

from __future__ import annotations

from tests.recipe_image import CONTAINERFILE, GIT


def test_the_recipe_copies_each_script() -> None:
    """The commands are also where PATH leads."""
    recipe = GIT.containerfile.read_text()
    (copy,) = [line.split() for line in recipe.splitlines() if line.startswith("COPY")]
    (link,) = [line.split() for line in recipe.splitlines() if line.startswith("RUN ln")]
    files = {path.name for path in GIT.containerfile.parent.iterdir()} - {CONTAINERFILE}
    assert set(copy) >= files
    assert {path.rpartition("/")[2] for path in link} >= {name for name in files if name.startswith("rw-")}
