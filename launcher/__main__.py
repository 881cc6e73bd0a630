"""
The launcher's verbs: `python -m launcher run|demo|test|bench|exec|psql|reset [-- arguments]`.

run    start everything, play the story, serve until Ctrl-C
demo   the same, and stop after the story
test   pytest with the servers up; several may run at once
bench  the benchmarks, on a database of their own
exec   any command with the servers up, e.g. exec -- python manage.py shell
psql   a prompt on the platform's database
reset  delete this checkout's databases, logs and secrets
"""

import sys

from launcher import commands, keeper, supervisor
from launcher.console import Failure, report
from launcher.state import open_state


def main(arguments: list[str]) -> int:
    """Run one verb; its exit code. 2 for an unknown one."""
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    rest = rest[1:] if rest[:1] == ["--"] else rest
    try:
        code = _dispatch(verb, rest)
    except Failure as failure:
        report(failure)
        return 1
    if code is None:
        sys.stderr.write(__doc__ or "")
        return 2
    return code


def _dispatch(verb: str, rest: list[str]) -> int | None:
    borrowing = {"test": commands.test, "bench": commands.bench, "exec": commands.execute, "psql": commands.psql}
    if verb in borrowing:
        return borrowing[verb](open_state(), rest)
    match verb:
        case "run" | "demo":
            return supervisor.run(open_state(), serve=verb == "run")
        case "reset":
            return commands.reset(open_state())
        case "keep":
            return keeper.keep(open_state(), rest[0])
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
