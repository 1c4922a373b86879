"""The operator killed by SIGKILL at random moments: what it leaves must be what an undisturbed one leaves, and P1 to P5 must hold.

`scripts/run python -m tests.chaos` is the campaign; `tests/kind/test_killed.py` is its short form. The evidence is the API
server's: every version of every Run, pod and escalation, as three watches saw them from the start.
"""
