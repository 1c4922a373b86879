"""runwarden: a Kubernetes controller that supervises runs of AI coding agents."""


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: finding it takes memory that the reporter has not."""
    if name == "__version__":
        from importlib.metadata import version

        return version("runwarden")
    raise AttributeError(name)
