"""The operators' rooms: the admin site, its dashboard and navigation."""
