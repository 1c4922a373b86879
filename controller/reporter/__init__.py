"""The agent's side: what runs in an agent's pod. Standard library only."""
