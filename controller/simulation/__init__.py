"""Simulates Runs under a policy in virtual time, with the operator's own decisions.

`scenario` is what people describe, `engine` plays one Run, `pool` many in processes, and `figures` sums them up with intervals.
"""
