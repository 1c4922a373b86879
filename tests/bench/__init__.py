"""Figures of the release notes, each by a command that takes it again."""
