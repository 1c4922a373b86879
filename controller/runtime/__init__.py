"""The operator as a process: its parts, their order of start and end."""
