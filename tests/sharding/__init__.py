"""Replicas that share the Runs, struck at random for as long as one likes; see docs/sharding.md."""
