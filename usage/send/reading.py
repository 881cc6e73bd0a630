"""Lines of a file with their places, from any place on: plain or gzip, or from the standard input."""

import gzip
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self, cast

STDIN: Final = "-"
LINE_MAX: Final = 64 * 1024 * 1024
"""A log that keeps prompts has long lines; one beyond this is not read into memory."""


class StateMismatch(Exception):
    """The state file is not that of this file, this platform or this way to read it."""

    def __str__(self) -> str:
        """With the way out."""
        return f"{super().__str__()}; --restart begins anew"


class Place(NamedTuple):
    """Up to where a file has been read: bytes (of what gzip holds) and lines."""

    offset: int = 0
    number: int = 0


class RawLine(NamedTuple):
    """One line, its place's end, and what is odd about it."""

    content: bytes
    end: Place
    is_too_long: bool = False
    is_open: bool = False
    """It is the last, and no newline ends it: its writer may not be done."""


class Source:
    """What is read. `done()` says which part of a file has been read, from 0 to 1; None where nobody knows how long it is."""

    def __init__(self, name: str) -> None:
        """Open it. Raises OSError."""
        self.name = name
        self.is_stdin = name == STDIN
        self._plain: BinaryIO = cast("BinaryIO", sys.stdin.buffer) if self.is_stdin else Path(name).open("rb")  # noqa: SIM115 - closed by __exit__
        self._stream = _unpacked(name, self._plain)
        if not self.is_stdin:
            self._claim()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.is_stdin:
            self._stream.close()
            self._plain.close()

    def lines(self, since: Place) -> Iterator[RawLine]:
        """
        Every line after a place, blank ones too.

        Raises StateMismatch where the file ends before it, ValueError where it does not continue there; OSError, EOFError.
        """
        place = since
        if since.offset:  # Never of the standard input: nothing is kept of it.
            place = Place(since.offset + self._go_to(since.offset), since.number)
        while content := self._stream.readline(LINE_MAX + 1):
            length, is_too_long = len(content), len(content) > LINE_MAX
            while is_too_long and not content.endswith(b"\n") and (content := self._stream.readline(LINE_MAX)):
                length += len(content)
            is_open = not content.endswith(b"\n")
            place = Place(place.offset + length, place.number + 1)
            yield RawLine(b"" if is_too_long else content, place, is_too_long, is_open)

    def done(self) -> Callable[[], float] | None:
        """How far a file has been read."""
        size = 0 if self.is_stdin else os.fstat(self._plain.fileno()).st_size
        return (lambda: min(1.0, self._plain.tell() / size)) if size else None

    def is_file(self, path: Path) -> bool:
        """Whether that path is what is read, by whatever name. Raises OSError."""
        return path.exists() and os.path.samestat(path.stat(), os.fstat(self._plain.fileno()))

    def _go_to(self, offset: int) -> int:
        """Go there; how many bytes still belong to the line that ended there: its newline, if that was written since."""
        self._stream.seek(offset - 1)
        last = self._stream.read(1)
        if not last:
            raise StateMismatch(f"{self.name} is shorter than what was sent of it")
        if last == b"\n":
            return 0
        rest = self._stream.readline()
        if rest.strip():
            raise ValueError("the line that was sent last has grown since")
        return len(rest)

    def _claim(self) -> None:
        """Two senders of one file would overwrite each other's state. Raises BlockingIOError."""
        try:
            import fcntl  # noqa: PLC0415 - POSIX only; elsewhere nobody watches
        except ImportError:
            return
        fcntl.flock(self._plain.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def beginning_of(name: str, length: int) -> bytes:
    """The first bytes of a file. Raises OSError, EOFError."""
    with Path(name).open("rb") as plain:
        return _unpacked(name, plain).read(length)


def _unpacked(name: str, plain: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=plain)) if name.endswith(".gz") else plain
