"""What gateways report and clients read of their usage."""
