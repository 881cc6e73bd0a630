"""PostgreSQL's arrays as text, for statements that take many rows at once."""

from collections.abc import Iterable


def array_text(values: Iterable[object]) -> str:
    """`{1,2,3}`: of numbers, or of texts that are quoted already. Made here, since the driver would look at each value by itself."""
    return f"{{{','.join(map(str, values))}}}"
