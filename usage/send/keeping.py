"""
What a run leaves behind: how far a file was sent (FILE.sent), and which of its lines were not taken (FILE.rejected).

After each answered batch the rejected lines are written first, then the state, which names how long FILE.rejected is: whatever a kill
leaves behind it is cut off by the next run. Another list may be shared: it is only ever added to. The state never holds a key.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from usage.send.reading import Place, Source, StateMismatch, beginning_of

_STATE: Final = ".sent"
_LIST: Final = ".rejected"
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
    """How far a file was sent to whom and how it was read, how long FILE.rejected is, and the sums."""

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


class NoList(Exception):
    """What is to take the rejected lines is something else."""


def check_list(path: Path, source: Source) -> None:
    """Raises NoList where rejected lines would go into what is read, into a state, or into what a state keeps; OSError."""
    if source.is_file(path):
        raise NoList(f"--rejected {path} is the file that is sent")
    if not source.is_stdin and any(_is_same(path, one) for one in (_state_path(source.name), _beside(_state_path(source.name)))):
        raise NoList(f"--rejected {path} is where the state goes")
    if path.exists() and not path.is_file():
        raise NoList(f"--rejected {path} is no regular file")
    is_own = not source.is_stdin and _is_same(path, _list_path(source.name))
    if not is_own and path.suffix == _LIST and path.resolve().with_suffix(_STATE).exists():
        raise NoList(f"--rejected {path} is kept by the state beside it, of another file")


class Keeper:
    """The state and the rejected lines of one file. Without files (`is_kept` false): only the sums."""

    def __init__(self, name: str, target: str, *, is_kept: bool, rejected: Path | None) -> None:
        """Nothing is read or written yet. `name`: of the file that is sent."""
        self.path = _state_path(name) if is_kept else None
        self.state = State(target)
        self._name = name
        self._rejected_path = rejected
        self._rejected: BinaryIO | None = None
        self._is_list_own = is_kept and rejected is not None and _is_same(rejected, _list_path(name))
        self._is_new = True

    @property
    def is_listed(self) -> bool:
        """Whether the list holds lines of this file, as far as this run knows."""
        return self._rejected is not None or (self._is_list_own and self.state.rejected_length > 0)

    def resume(self, *, restart: bool) -> None:
        """Take up what a run before has left, and cut off what it listed beyond that. Raises StateMismatch, OSError."""
        if self.path is not None and self.path.exists() and not restart:
            self.state, self._is_new = self._read(self.path), False
        if self._is_list_own and self._rejected_path is not None and self._rejected_path.exists():
            size = self._rejected_path.stat().st_size
            if not self._is_new and self.state.rejected_length < size:
                os.truncate(self._rejected_path, self.state.rejected_length)
            else:  # Somebody has shortened it, or a new state knows nothing of what is listed already: that stays.
                self.state.rejected_length = size

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
            _write_state(self.path, self.state)

    def close(self) -> None:
        """No more is written."""
        if self._rejected is not None:
            self._rejected.close()

    def _write_rejected(self, path: Path, lines: bytes) -> None:
        if self._rejected is None:
            if self.path is not None and self._is_list_own and self._is_new:
                # Before the first line of its list, so that a kill between the two leaves none twice.
                _write_state(self.path, State(self.state.target, rejected_length=self.state.rejected_length))
            self._rejected = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab")
            lines = _end_of_half_a_line(self._rejected) + lines
        self._rejected.write(lines)
        self._rejected.flush()
        os.fsync(self._rejected.fileno())
        if self._is_list_own:
            self.state.rejected_length += len(lines)

    def _note_beginning(self) -> None:
        """As much of it as is done: a log grows at its end."""
        length = min(self.state.offset, BEGINNING)
        if length > self.state.beginning_length:
            self.state.beginning_length, self.state.beginning_sha256 = length, _digest(beginning_of(self._name, length))


def _state_path(name: str) -> Path:
    return Path(f"{name}{_STATE}")


def _list_path(name: str) -> Path:
    return Path(f"{name}{_LIST}")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp")


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are one file, or would be."""
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))


def _end_of_half_a_line(file: BinaryIO) -> bytes:
    """A newline, where a stop left the last line of a list without one."""
    size = os.fstat(file.fileno()).st_size
    return b"\n" if size and os.pread(file.fileno(), 1, size - 1) != b"\n" else b""


def _write_state(path: Path, state: State) -> None:
    _write_atomically(path, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_atomically(path: Path, content: bytes) -> None:
    """The old content or the new one, whenever the machine stops."""
    beside = _beside(path)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
