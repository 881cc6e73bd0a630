"""Identity over HTTP: who asks, for which account, and the endpoints of people, accounts and keys."""
