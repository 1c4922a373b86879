"""The root of every error that runwarden raises on purpose."""


class RunwardenError(Exception):
    """An error whose message names what is wrong, where, and what to do about it."""
