"""Pure: what the pods of all tasks are built from, and the container of a command of the user's."""

from __future__ import annotations

from typing import NamedTuple

from controller.api.base import JsonObject, dump
from controller.api.container_fields import EnvFrom, Image, Resources
from controller.api.run import Agent, Workspace
from controller.api.source import SourceStatus
from controller.plan.snapshot import RunFacts
from controller.resources.git_container import literal, user_of


class Basis(NamedTuple):
    """An agent with its own container (`judged`), the image with git if there is one, and the clone in the agent's workspace."""

    run: RunFacts
    agent: Agent
    judged: JsonObject
    git_image: str | None
    cloned: SourceStatus | None

    @property
    def workspace(self) -> Workspace:
        """The agent's workspace, which a task needs."""
        return self.agent.workspace or Workspace()

    @property
    def base(self) -> str:
        """The commit that was cloned, empty if none is on record."""
        return self.cloned.revision if self.cloned else ""


class Command(NamedTuple):
    """A command of the user's: its words, and its image and limits, those of the agent's container if they are not set."""

    words: tuple[str, ...]
    image: Image | None
    env_from: tuple[EnvFrom, ...] | None
    resources: Resources | None = None


def command_container(name: str, command: Command, basis: Basis, environment: list[JsonObject]) -> JsonObject:
    """Return the container of a command. Of the agent's it has the user, and image and limits unless the command has its own."""
    judged = basis.judged
    own = {key: judged[key] for key in ("image", "imagePullPolicy") if judged.get(key)}
    resources = dump(command.resources) if command.resources else judged.get("resources")
    return {
        "name": name,
        **({"image": command.image} if command.image else own),
        "command": [literal(word) for word in command.words],
        "env": environment,
        **({"envFrom": [dump(each) for each in command.env_from]} if command.env_from else {}),
        **({"resources": resources} if resources else {}),
        **({"securityContext": user} if (user := user_of(judged)) else {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
