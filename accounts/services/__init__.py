"""Writes about people, accounts, memberships and keys. Each function is one act and owns its transaction."""
