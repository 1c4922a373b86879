"""The tasks that follow an agent's attempt: its verification and its publication."""
