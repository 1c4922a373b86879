"""Strict reading of what people write in files: its encoding, its YAML, and the constraints of its values."""
