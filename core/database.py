"""What PostgreSQL said, read from Django's errors."""

from django.db import Error, IntegrityError


def sqlstate(error: Error) -> str | None:
    """The five-character state of the server's error, or None where the server never answered."""
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state


def broken_constraint(error: IntegrityError) -> str | None:
    """The name of the constraint that refused a row."""
    name: str | None = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    return name
