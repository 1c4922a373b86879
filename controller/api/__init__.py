"""The API `runwatchman.dev/v1alpha1` as pydantic models, the checks that a schema cannot express, and the CRDs made from both."""
