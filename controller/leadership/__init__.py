"""Several operators share the Runs: by shard, each shard a Lease, their number in one object with an epoch (docs/sharding.md)."""
