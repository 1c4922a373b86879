"""The operator killed by SIGKILL at random moments: the result must equal that of an undisturbed one, and P1 to P5 must hold.

`scripts/run python -m tests.chaos` is the campaign; `tests/kind/test_killed.py` is its short form. The evidence is the API
server's: every version of every Run, pod and escalation, as three watches saw them from the start.
"""
