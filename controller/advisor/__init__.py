"""Consultations of an advisor: the prompt is built from the plan's facts, and the answer is checked before it counts.

Prompt and checks are pure. The adapter runs the command.
"""
