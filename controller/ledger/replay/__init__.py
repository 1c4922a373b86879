"""Replays a ledger: decides again in each recorded situation, by the recorded policy or by another. Pure, but for `shards`."""
