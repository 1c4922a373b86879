"""One operator and ten thousand Runs: the cost to start, to idle, to act, and to survive a storm."""
