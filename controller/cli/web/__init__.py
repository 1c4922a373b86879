"""A page in a browser: Runs, why, and the inbox."""
