"""The supported commands: codex, claude, and raw for any command that reads and writes JSON on its pipes."""
