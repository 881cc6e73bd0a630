"""Composed reads: answers that need more than one app, and so belong to none."""
