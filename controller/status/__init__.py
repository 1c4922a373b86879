"""Builds a Run's status from its plan: phase, conditions and agents."""
