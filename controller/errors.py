"""The base class of all errors that runwatchman raises on purpose."""


class RunwatchmanError(Exception):
    """An error whose message has the place, the fault and the remedy."""
