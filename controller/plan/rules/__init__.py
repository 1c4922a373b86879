"""The ordered rules for a Run and for each of its agents."""
