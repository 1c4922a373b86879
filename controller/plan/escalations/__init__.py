"""Escalations to humans, and the effects of the answers."""
