"""The questions that are put to the model. Each is small enough to be answered completely, or says where it was cut."""

from __future__ import annotations

from tests.model.world import Config, Exit, Left

NO_BUDGET = {"restart_budget": 0}
START = Config("start", "two operators start one agent that crashes; a user deletes its pod", Left(crash=1, delete=1))
DONE = Config("done", "an agent completes while its pod is deleted or drained", Left(done=1, delete=1, drain=1))
BUDGET = Config("budget", "an agent crashes more often than its budget allows", Left(crash=2))
COOLDOWN = Config(
    "cooldown",
    "restarts wait for their cooldown; one clock is behind",
    Left(crash=2, tick=2),
    policy={"restart_budget": 2, "restart_cooldown_seconds": 100},
    slow=(0, 1),
    stale=False,
)
UNREADY = Config("unready", "a live agent is restarted, ends late, and may complete meanwhile", Left(unready=1, done=1, tick=1))
ASK = Config("ask", "a user asks for a restart", Left(ask=1, done=1, crash=1), stale=False)
ANSWER = Config(
    "answer", "with the budget spent a human answers or dismisses", Left(crash=2, answer=1, dismiss=1), policy=NO_BUDGET
)
PAUSE = Config("pause", "one agent is paused and resumed", Left(done=1, desire=2), kill=(Exit.CRASHED, Exit.LATE))
LOST = Config("lost", "a node is lost, comes back, or is given up; pods are deleted by force", Left(lost=1, force=1, collect=1))
UNRUN = Config("unrun", "the Run is deleted in every way, at any time", Left(done=1, delete=1, unrun=1))
UNSPACE = Config("unspace", "the namespace is deleted", Left(done=1, delete=1, unspace=1))
AGAIN = Config("again", "a Run is deleted and applied anew under its name", Left(done=1, unrun=1, apply=1))
TWO = Config("two", "two agents crash and share one charge", Left(crash=2), agents=("a", "b"), operators=1, stale=False)
RESET = Config(
    "reset",
    "sustained health gives charges back",
    Left(crash=2, tick=2),
    policy={"restart_budget_reset_seconds": 100, "restart_cooldown_seconds": 0},
    reset=True,
    stale=False,
    operators=1,
)

CONFIGS = (START, DONE, BUDGET, COOLDOWN, UNREADY, ASK, ANSWER, PAUSE, LOST, UNRUN, UNSPACE, AGAIN, TWO, RESET)
MUTANT_CONFIGS = CONFIGS
QUICK = (TWO, RESET, BUDGET)
"""What `make test` asks."""
