"""Schema, in order."""
