"""The questions that are put to the model."""

from __future__ import annotations

from tests.model.world import Config, Left

CONFIGS = (
    Config("start", "two operators start one agent; users delete pods, nodes are drained and lost", Left(crash=1, done=1, delete=1)),
    Config("pause", "one agent is paused and resumed", Left(done=1, delete=1, desire=2)),
    Config("unrun", "the Run is deleted in every way, at any time", Left(done=1, delete=1, unrun=1)),
    Config("unspace", "the namespace is deleted", Left(done=1, delete=1, unspace=1)),
    Config("again", "a Run is deleted and applied anew under its name", Left(done=1, unrun=1, apply=1)),
)
