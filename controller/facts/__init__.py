"""Converts Kubernetes objects to the facts that the plan decides on."""
