"""The fuzz campaign against the gate: what it accepts, an independent validator accepts, and nothing takes it long."""
