"""Texts from outside, made storable."""


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot keep: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
