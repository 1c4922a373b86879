"""Tasks: the verification of an agent's completed work, then its publication, each in a fenced pod of its own."""
