"""The base class of all errors that runwarden raises on purpose."""


class RunwardenError(Exception):
    """An error whose message has the place, the fault and the remedy."""
