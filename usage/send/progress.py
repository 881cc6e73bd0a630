"""What a person sees on the standard error: a bar on a terminal, else a plain line every few seconds; and the summary at the end."""

import sys
import time
from collections.abc import Callable
from typing import Final

from usage.send.keeping import Sums

_BAR_WIDTH: Final = 30
_BAR_SECONDS: Final = 0.2
_LINE_SECONDS: Final = 5.0


class Progress:
    """Lines so far, the rate, and how long it will take where that can be told."""

    def __init__(self, done: Callable[[], float] | None) -> None:
        """`done`: which part of the file has been read, from 0 to 1."""
        self._done = done
        self._is_bar = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()
        self._began_at = 0.0 if done is None else done()

    def show(self, lines: int, sent: int) -> None:
        """`lines`: the file's number of the line reached; `sent`: how many of this run are done."""
        now = time.monotonic()
        if now - self._shown < (_BAR_SECONDS if self._is_bar else _LINE_SECONDS):
            return
        self._shown = now
        passed = now - self._started
        words = f"line {lines:,}, {sent / passed:,.0f}/s{self._remaining(passed)}"
        sys.stderr.write(f"\r\033[K{self._bar()}{words}" if self._is_bar else f"{words}\n")
        sys.stderr.flush()

    def tell(self, message: str) -> None:
        """A sentence of its own, over the bar."""
        sys.stderr.write(f"\r\033[K{message}\n" if self._is_bar else f"{message}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave no half of a bar behind."""
        if self._is_bar:
            sys.stderr.write("\r\033[K")

    def _bar(self) -> str:
        if self._done is None:
            return ""
        full = round(self._done() * _BAR_WIDTH)
        return f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {self._done():4.0%}  "

    def _remaining(self, passed: float) -> str:
        done = 0.0 if self._done is None else self._done() - self._began_at
        if self._done is None or done <= 0:
            return ""
        seconds = round(passed * (1 - self._done()) / done)
        return f", {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"


def summary(sums: Sums, *, lines: int, events: int, seconds: float) -> str:
    """What became of the file, all runs together; the rate is that of this run."""
    booked = f"{sums.accepted:,} accepted, {sums.duplicates:,} duplicates, {sum(sums.rejected.values()):,} rejected"
    head = f"{lines:,} lines: {booked}, {sum(sums.skipped.values()):,} not sent; {_took(events, seconds, sums.seconds)}"
    return "\n".join([head, *_by_code("rejected", sums.rejected), *_by_code("not sent", sums.skipped)])


def _took(events: int, seconds: float, together: float) -> str:
    this_run = f"{events:,} events in {seconds:.1f} s, {events / max(seconds, 0.001):,.0f}/s"
    return this_run if together <= seconds else f"{this_run}; {together:.1f} s with the runs before"


def _by_code(what: str, counted: dict[str, int]) -> list[str]:
    return [f"  {what}: {code} {times:,}" for code, times in sorted(counted.items(), key=lambda one: (-one[1], one[0]))]
