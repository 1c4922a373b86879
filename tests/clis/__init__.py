"""`rw exec` with the real CLIs, against models on loopback."""
