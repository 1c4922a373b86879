"""An explicit-state model check of the shipped decisions: real plans and transitions against a model cluster.

`python -m tests.model` runs the campaign. `world.py` is the cluster, `bridge.py` converts between it and the shipped code,
`world_steps.py` has the steps of operators, `environment.py` those of all others, `invariants.py` and `liveness.py` have the
properties, `checker.py` searches, `mutants.py` switches off one guard at a time.
"""
