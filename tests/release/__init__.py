"""The steps of a release: each is called by the workflow of a tag, and by tests on a registry of this machine. See docs/releasing.md."""
