"""An agent's attempts: start, stop, restart, budget, stalls."""
