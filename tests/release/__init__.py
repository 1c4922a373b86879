"""The steps of a release, called by the workflow of a tag and by tests with a registry of this machine."""
