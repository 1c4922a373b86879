"""The advisor: it answers whatever it was asked with whatever it likes, late, again and otherwise, or never.

What one process has asked, any process may hear of here, and any may hear of nothing (it has just started): more than can happen.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.world import Config, Said, World
from tests.model.world_steps import Move

ADVISOR = "the advisor"


def moves(config: Config, world: World) -> Iterator[Move]:
    """Return everything that the advisor can say now."""
    for said in world.said if world.left.advise else ():
        for answer in config.answers:
            if answer != said.answer:
                after = answered(config, world, said, answer)
                left = after.left._replace(advise=after.left.advise - 1)
                yield Move(ADVISOR, (answer, said.agent, said.situation), after._replace(left=left))


def answered(config: Config, world: World, said: Said, answer: str) -> World:
    """Return the world in which the advisor has said something."""
    others = tuple(other for other in world.said if other is not said)
    world = world._replace(said=tuple(sorted((*others, said._replace(answer=answer)))))
    if answer not in config.leave:
        return world
    approved = tuple(sorted({*world.ghost.approved, (said.agent, said.attempt)}))
    return world._replace(ghost=world.ghost._replace(approved=approved))
