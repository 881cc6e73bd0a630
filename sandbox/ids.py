"""Names of objects, as Stripe forms them: a prefix that says the kind, then letters and digits."""

import random
import string
import threading

ALPHABET = string.ascii_letters + string.digits


class Ids:
    """Makes ids. With a seed the same run makes the same ids; without one nobody can guess them."""

    def __init__(self, seed: str | None = None) -> None:
        # A seed is for tests that repeat; nothing here protects money.
        self._random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311
        self._lock = threading.Lock()

    def new(self, prefix: str, length: int = 24) -> str:
        """`prefix` and so many random letters and digits."""
        with self._lock:
            return prefix + "".join(self._random.choices(ALPHABET, k=length))

    def shuffled(self, items: list[str]) -> list[str]:
        """The same strings in a random order."""
        with self._lock:
            return self._random.sample(items, len(items))
