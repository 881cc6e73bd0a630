"""
What a run leaves behind: how far a file was sent (FILE.sent), and which of its lines were not taken (FILE.rejected).

After each answered batch the rejected lines are written first, then the state, which names how long that file is: whatever a kill leaves
behind it is cut off by the next run. The state never holds a key.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from usage.send.reading import Place, beginning_of

BEGINNING: Final = 4_096
"""So many bytes tell one file from another."""


class Sums(msgspec.Struct):
    """What became of the lines so far. `rejected`: by the platform; `skipped`: not sent at all; both by code."""

    accepted: int = 0
    duplicates: int = 0
    rejected: dict[str, int] = {}
    skipped: dict[str, int] = {}
    seconds: float = 0.0

    @property
    def refused(self) -> int:
        """How many lines were not booked."""
        return sum(self.rejected.values()) + sum(self.skipped.values())


class State(msgspec.Struct):
    """How far a file was sent to whom and how it was read, and the sums."""

    target: str
    offset: int = 0
    number: int = 0
    beginning_length: int = 0
    beginning_sha256: str = ""
    rejected_length: int = 0
    sums: Sums = msgspec.field(default_factory=Sums)

    @property
    def place(self) -> Place:
        """Where to go on."""
        return Place(self.offset, self.number)


class Refusal(msgspec.Struct):
    """One line that was not booked."""

    line: int
    event_id: str | None
    code: str
    message: str


class StateMismatch(Exception):
    """The state file is not that of this file, this platform or this way to read it."""


class Keeper:
    """The state and the rejected lines of one file. Without files (`is_kept` false): only the sums."""

    def __init__(self, name: str, target: str, *, is_kept: bool, rejected: Path | None) -> None:
        """Nothing is read or written yet. `name`: of the file that is sent."""
        self.path = Path(f"{name}.sent") if is_kept else None
        self.state = State(target)
        self._name = name
        self._rejected_path = rejected
        self._rejected: BinaryIO | None = None

    def resume(self, *, restart: bool) -> None:
        """Take up what a run before has left, and cut off what it wrote beyond that. Raises StateMismatch, OSError."""
        if self.path is not None and self.path.exists() and not restart:
            self.state = self._read(self.path)
        if self._rejected_path is not None and self._rejected_path.exists():
            self.state.rejected_length = min(self.state.rejected_length, self._rejected_path.stat().st_size)
            os.truncate(self._rejected_path, self.state.rejected_length)

    def _read(self, path: Path) -> State:
        try:
            state = msgspec.json.decode(path.read_bytes(), type=State)
        except msgspec.MsgspecError as error:
            raise StateMismatch(f"{path} cannot be read") from error
        if state.target != self.state.target:
            raise StateMismatch(f"{path} speaks of another platform, or of another way to read the lines")
        if state.beginning_length and _digest(beginning_of(self._name, state.beginning_length)) != state.beginning_sha256:
            raise StateMismatch(f"{path} speaks of a file that began otherwise")
        return state

    def keep(self, place: Place, refused: Iterable[Refusal]) -> None:
        """A batch is answered: everything up to here is done. Raises OSError."""
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in refused)
        if lines and self._rejected_path is not None:
            self._write_rejected(self._rejected_path, lines)
        self.state.offset, self.state.number = place
        if self.path is not None:
            self._note_beginning()
            _write_atomically(self.path, msgspec.json.format(msgspec.json.encode(self.state), indent=2) + b"\n")

    def close(self) -> None:
        """No more is written."""
        if self._rejected is not None:
            self._rejected.close()

    def _write_rejected(self, path: Path, lines: bytes) -> None:
        if self._rejected is None:
            self._rejected = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        self._rejected.write(lines)
        self._rejected.flush()
        os.fsync(self._rejected.fileno())
        self.state.rejected_length += len(lines)

    def _note_beginning(self) -> None:
        """As much of it as is done: a log grows at its end."""
        length = min(self.state.offset, BEGINNING)
        if length > self.state.beginning_length:
            self.state.beginning_length, self.state.beginning_sha256 = length, _digest(beginning_of(self._name, length))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_atomically(path: Path, content: bytes) -> None:
    """The old content or the new one, whenever the machine stops."""
    beside = path.with_name(f"{path.name}.tmp")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
