"""Wallets, ledger, grants, adjustments, verification. Owns every SQL statement that touches a ledger table."""
