"""The shapes of commands that are known: codex, claude, and raw for everything that speaks JSON on its pipes."""
