"""The same scenario played for real and simulated: `make simulation-check`."""
