"""dj-stripe's tables as one migration: its own ninety take 40 seconds. tests/architecture compares the two."""
