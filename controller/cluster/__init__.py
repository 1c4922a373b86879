"""The Kubernetes API: the only importer of `kubernetes`. Objects are plain dicts: typed models cost ten times their JSON."""
