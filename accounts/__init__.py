"""People, billing accounts, memberships, API keys."""
