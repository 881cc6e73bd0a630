"""Public identifiers and secrets. Internal keys are integers and never leave the database, but for those a published API asks for."""

import hashlib
import secrets


def new_public_id() -> str:
    """32 hexadecimal characters, the shape of an account id in the AI gateway's API."""
    return secrets.token_hex(16)


def new_secret(prefix: str) -> str:
    """A bearer secret with 256 bits of chance behind a prefix that says what it is."""
    return f"{prefix}{secrets.token_urlsafe(32)}"


def secret_digest(secret: str) -> str:
    """What is stored in place of a secret. A plain SHA-256 is enough: the secret is 256 random bits, not a password."""
    return hashlib.sha256(secret.encode()).hexdigest()
