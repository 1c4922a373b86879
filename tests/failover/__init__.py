"""Two operators of the chart, and the leader is killed, frozen or cut off while Runs are active: P1 to P5 must hold.

`scripts/run python -m tests.failover` is the campaign; `tests/kind/test_failover.py` is its short form. Scenarios, evidence and
invariants are those of `tests.chaos`.
"""
