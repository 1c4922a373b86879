"""The fuzz campaign against the gate: an independent validator accepts every answer that it accepts, and no output takes it
long.
"""
