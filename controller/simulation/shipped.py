"""The scenarios that come with runwatchman, and those in files."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from controller.simulation.scenario import Scenario, ScenarioRefused, read_scenario

FOLDER, SUFFIX = "scenarios", ".yaml"


def names() -> list[str]:
    """Return the names of the shipped scenarios."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _folder().iterdir() if entry.name.endswith(SUFFIX))


def find_scenario(given: str) -> tuple[str, Scenario]:
    """Return a scenario with its name, by the name of a shipped one or the path of a file. Raises ScenarioRefused."""
    if given in names():
        return given, read_scenario(shipped(given))
    try:
        data = Path(given).read_bytes()
    except OSError as error:
        known = ", ".join(names())
        raise ScenarioRefused.of("file", f"cannot be read: {error.strerror}; the scenarios by name are {known}") from error
    return Path(given).stem, read_scenario(data)


def shipped(name: str) -> bytes:
    """Return the content of a shipped scenario's file."""
    return (_folder() / f"{name}{SUFFIX}").read_bytes()


def _folder() -> resources.abc.Traversable:
    return resources.files(__package__) / FOLDER
