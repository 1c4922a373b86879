"""Notifications: people are told that an escalation was opened and that a Run has finished. Told at most once, never waited for."""
