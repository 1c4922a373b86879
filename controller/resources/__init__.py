"""Builds the Kubernetes objects of a Run's agents."""
