"""From a plan to a Run's status: phase, conditions and agents."""
