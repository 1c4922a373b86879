"""Replicas that share the Runs, struck at random for any length of time; see docs/sharding.md."""
