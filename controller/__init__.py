"""runwatchman: a Kubernetes controller that supervises runs of AI coding agents."""


def __getattr__(name: str) -> str:
    """Look the version up on first use, because the lookup needs memory that the reporter must save."""
    if name == "__version__":
        from importlib.metadata import version

        return version("runwatchman")
    raise AttributeError(name)
