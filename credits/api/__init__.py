"""What clients read of their credits."""
