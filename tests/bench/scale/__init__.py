"""One operator and ten thousand Runs: what it takes to start, to idle, to act, and to live through a storm."""
