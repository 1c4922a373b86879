"""runwarden: a Kubernetes controller that supervises runs of AI coding agents."""

from importlib.metadata import version

__version__ = version("runwarden")
