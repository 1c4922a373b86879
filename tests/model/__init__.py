"""An explicit-state model check of the shipped decisions: real plans and transitions against a model cluster.

`python -m tests.model` runs the campaign. `world.py` is the cluster, `bridge.py` leads from it to the shipped code and back,
`steps.py` is what operators do, `environment.py` what everybody else does, `invariants.py` and `liveness.py` say what must
hold, `checker.py` searches, `mutants.py` switches one guard off at a time.
"""
