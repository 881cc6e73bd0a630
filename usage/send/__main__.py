"""
`python -m usage.send FILE --url URL`: send a log of calls as usage events, whatever happens meanwhile.

Exit codes: 0 everything is booked; 1 some lines were rejected or not sent; 2 it was called wrongly; 3 it gave up or was stopped: the same
command goes on from there.
"""

import signal
import sys
from enum import IntEnum

import msgspec

from usage.send.keeping import Keeper, NoList, check_list
from usage.send.options import Options, read_options
from usage.send.posting import GaveUp, Platform
from usage.send.progress import Progress, summary
from usage.send.reading import Source, StateMismatch
from usage.send.sending import Rehearsal, Sending, rehearse


class Exit(IntEnum):
    """How it ended."""

    ALL = 0
    SOME = 1
    USAGE = 2
    GAVE_UP = 3


def main(arguments: list[str]) -> int:
    """Do it; the exit code."""
    options = read_options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Source(options.file) as source:
            check_list(options.rejected, source)
            return _rehearse(options, source) if options.dry_run else _send(options, source)
    except (StateMismatch, NoList) as wrong:
        return _say(Exit.USAGE, str(wrong))
    except BlockingIOError:
        return _say(Exit.USAGE, f"another sender is at {options.file}")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        return _say(Exit.USAGE, f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        return _say(Exit.GAVE_UP, "stopped; the same command goes on from there")
    except (OSError, EOFError, ValueError) as error:
        return _say(Exit.GAVE_UP, f"{type(error).__name__}: {error}")


def _send(options: Options, source: Source) -> int:
    keeper = Keeper(options.file, options.target, is_kept=not source.is_stdin, rejected=options.rejected)
    keeper.resume(restart=options.restart)
    progress = Progress(source.done())
    platform = Platform(options.url, options.key, options.patience, progress.tell)
    sending = Sending(options.rules, keeper, platform.post, progress, options.batch)
    if keeper.state.number:
        progress.tell(f"going on after line {keeper.state.number:,}")
    try:
        sending.run(source, first=options.first)
        code = Exit.SOME if keeper.state.sums.refused or sending.is_unfinished else Exit.ALL
    except GaveUp as gave_up:
        progress.tell(f"gave up: {gave_up}; the same command goes on from there")
        code = Exit.GAVE_UP
    finally:
        progress.end()
        keeper.close()
        platform.close()
        _tell_end(options, keeper, sending)
    return code


def _tell_end(options: Options, keeper: Keeper, sending: Sending) -> None:
    state, sent = keeper.state, sending.sent
    sys.stderr.write(summary(state.sums, lines=state.number, events=sent.events, seconds=sent.seconds) + "\n")
    if keeper.is_listed:
        sys.stderr.write(f"  what was not booked is in {options.rejected}\n")


def _rehearse(options: Options, source: Source) -> int:
    found = rehearse(source, options.rules, first=options.first)
    sys.stdout.write(_rehearsed(found))
    return Exit.SOME if found.skipped else Exit.ALL


def _rehearsed(found: Rehearsal) -> str:
    lines = [f"{found.lines:,} lines: {found.events:,} events would be sent, {sum(found.skipped.values()):,} lines would not; nothing was."]
    lines += [f"  {name} {amount:,}" for name, amount in found.tokens.items()]
    lines += [f"  not sent: {code} {times:,}" for code, times in sorted(found.skipped.items())]
    lines += [] if found.first is None else ["  the first event:", msgspec.json.encode(found.first).decode()]
    return "\n".join(lines) + "\n"


def _say(code: Exit, message: str) -> int:
    sys.stderr.write(f"python -m usage.send: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
