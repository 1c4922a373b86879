"""The whole way of an agent's work: a clone, edits, a killed pod, a failed and a passed verification, and a branch.

`tests/kind` plays it once, `make demo` shows it, and `python -m tests.verified_branch` plays it often while the operator is killed.
"""
