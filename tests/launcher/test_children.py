"""Child processes: readiness, death and order are seen with real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from launcher import children
from launcher.children import Child, Command
from launcher.console import Failure

PATIENCE_SECONDS = 20
FOREVER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"

Starter = Callable[..., Child]
WaitUntil = Callable[[Callable[[], bool]], bool]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    started: list[Child] = []

    def starter(name: str, code: str, *, stop_seconds: float = PATIENCE_SECONDS) -> Child:
        command = Command(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", stop_seconds=stop_seconds)
        started.append(children.start(command))
        return started[-1]

    yield starter
    for child in started:
        child.process.kill()
        child.process.wait()


def is_up(child: Child) -> bool:
    return "up" in child.written()


def test_a_child_is_ready_when_its_probe_says_so(start: Starter) -> None:
    child = start("web", FOREVER)
    children.await_ready(child, lambda: is_up(child), seconds=PATIENCE_SECONDS)
    assert child.is_alive()


def test_a_death_while_waiting_is_told_at_once_with_its_exit_code(start: Starter) -> None:
    child = start("web", "import sys; print('no such table'); sys.exit(7)")
    with pytest.raises(Failure) as told:
        children.await_ready(child, lambda: False, seconds=PATIENCE_SECONDS)
    assert told.value.part == "web"
    assert told.value.reason == "it ended with exit code 7"
    assert told.value.log is not None
    assert "no such table" in told.value.log.read_text(encoding="utf-8")


def test_a_watched_childs_death_ends_the_wait_for_another(start: Starter) -> None:
    waited_for = start("web", FOREVER)
    watched = start("worker", "raise SystemExit(3)")
    with pytest.raises(Failure) as told:
        children.await_ready(waited_for, lambda: False, seconds=PATIENCE_SECONDS, watched=[watched])
    assert told.value.part == "worker"


def test_a_killed_child_is_named_with_the_signal(start: Starter) -> None:
    child = start("beat", FOREVER)
    child.process.kill()
    child.process.wait()
    with pytest.raises(Failure, match="SIGKILL"):
        children.raise_if_dead(child)


def test_a_child_that_never_gets_ready_is_a_failure(start: Starter) -> None:
    child = start("web", FOREVER)
    with pytest.raises(Failure, match="not ready"):
        children.await_ready(child, lambda: False, seconds=0.1)


def test_children_are_stopped_last_first_each_to_its_end(start: Starter, tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n"
        "    time.sleep(0.1)\n"
        "    open({order!r}, 'a').write({name!r} + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)"
    )
    running = [start(name, code.format(order=str(order), name=name)) for name in ("web", "worker", "beat")]
    for child in running:
        children.await_ready(child, partial(is_up, child), seconds=PATIENCE_SECONDS)
    children.stop_in_reverse(running)
    assert order.read_text(encoding="utf-8").split() == ["beat", "worker", "web"]


def test_a_child_that_ignores_the_signal_is_killed(start: Starter) -> None:
    child = start("web", STUBBORN, stop_seconds=0.2)
    children.await_ready(child, lambda: is_up(child), seconds=PATIENCE_SECONDS)
    assert child.stop() == -signal.SIGKILL


def test_only_what_this_start_wrote_counts_as_written(start: Starter) -> None:
    first = start("web", "print('up', flush=True)")
    first.process.wait()
    again = start("web", "import time; time.sleep(600)")
    assert not is_up(again)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_children_die_with_a_launcher_that_is_killed(tmp_path: Path, wait_until: WaitUntil) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from launcher import children\n"
        f"command = children.Command('web', [sys.executable, '-c', {FOREVER!r}], Path({str(tmp_path / 'log')!r}))\n"
        "print(children.start(command).process.pid, flush=True)\n"
        "time.sleep(600)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    with launcher.stdout:
        child = int(launcher.stdout.readline())
    os.kill(child, 0)
    launcher.kill()
    launcher.wait()
    assert wait_until(lambda: not exists(child))


def exists(pid: int) -> bool:
    """Whether it lives; a dead one that nobody has collected yet does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return False
