"""What payments does."""
