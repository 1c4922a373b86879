"""A budget of tokens that many Runs use up while the operator is killed; see docs/providers.md."""
