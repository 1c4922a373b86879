"""The adapter: runs an advisor's registered command, once a question, and lets nothing of it outlive its answer."""
