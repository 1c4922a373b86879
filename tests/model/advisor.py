"""The advisor: it gives any answer to any request, late, repeated or differently, or none.

Any process may see the answer to another's request, and any may see none (after a restart): this allows more than can happen.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.world import Config, Said, World
from tests.model.world_steps import Move

ADVISOR = "the advisor"


def moves(config: Config, world: World) -> Iterator[Move]:
    """Return every possible answer of the advisor at this moment."""
    for said in world.said if world.left.advise else ():
        for answer in config.answers:
            if answer != said.answer:
                after = answered(config, world, said, answer)
                left = after.left._replace(advise=after.left.advise - 1)
                yield Move(ADVISOR, (answer, said.agent, said.situation), after._replace(left=left))


def answered(config: Config, world: World, said: Said, answer: str) -> World:
    """Return the world after an answer of the advisor."""
    others = tuple(other for other in world.said if other is not said)
    world = world._replace(said=tuple(sorted((*others, said._replace(answer=answer)))))
    if answer not in config.leave:
        return world
    approved = tuple(sorted({*world.ghost.approved, (said.agent, said.attempt)}))
    return world._replace(ghost=world.ghost._replace(approved=approved))
