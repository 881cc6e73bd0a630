"""Leases: a server lives while somebody holds one, and its data outlive it. Real servers, in a folder of their own."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from launcher import keeper, postgres, psql, valkey
from launcher.keeper import Lease, Place
from launcher.locks import FileLock, is_held
from launcher.state import State, read_json

PATIENCE_SECONDS = 30
WaitUntil = Callable[[Callable[[], bool]], bool]


def say(lease: Lease, *commands: str) -> list[str]:
    return valkey.speak(lease.port, lease.password, *commands)


def server_pid(own_state: State, name: str) -> int:
    return int(read_json(Place(own_state, name).facts())["server_pid"])


def test_two_holders_share_one_server_and_the_last_one_ends_it(own_state: State) -> None:
    first = keeper.lease(own_state, "valkey")
    second = keeper.lease(own_state, "valkey")
    assert first.port == second.port
    first.release()
    time.sleep(3 * keeper.POLL_SECONDS)
    assert say(second, "PING") == ["+PONG"]
    second.release(wait_seconds=PATIENCE_SECONDS)
    assert not is_held(Place(own_state, "valkey").keeper())


def test_what_was_written_is_there_at_the_next_start_on_the_same_port(own_state: State) -> None:
    first = keeper.lease(own_state, "valkey")
    assert say(first, "SET kept yes") == ["+OK"]
    first.release(wait_seconds=PATIENCE_SECONDS)
    again = keeper.lease(own_state, "valkey")
    assert again.port == first.port
    assert say(again, "EXISTS kept") == [":1"]
    again.release()


def test_nobody_gets_in_without_the_password(own_state: State) -> None:
    held = keeper.lease(own_state, "valkey")
    assert valkey.speak(held.port, "wrong", "PING")[0].startswith("-NOAUTH")
    held.release()


def test_a_server_that_is_killed_is_noticed_with_its_reason(own_state: State, wait_until: WaitUntil) -> None:
    held = keeper.lease(own_state, "valkey")
    os.kill(server_pid(own_state, "valkey"), signal.SIGKILL)
    assert wait_until(lambda: not held.is_kept())
    assert wait_until(lambda: not is_held(held.place.keeper()))
    assert held.failure().reason == "it was ended by SIGKILL"
    held.release()


def test_postgres_survives_a_kill_with_what_it_had_committed(own_state: State, wait_until: WaitUntil) -> None:
    binaries = postgres.find_binaries(own_state)
    first = keeper.lease(own_state, "postgres")
    server = postgres.open_postgres(own_state)
    psql.run(binaries, server.url(first.port), "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(server_pid(own_state, "postgres"), signal.SIGKILL)
    assert wait_until(lambda: not is_held(first.place.keeper()))
    first.release()
    again = keeper.lease(own_state, "postgres")
    assert psql.run(binaries, server.url(again.port), "SELECT answer FROM kept") == ["42"]
    assert not psql.answers(binaries, server.url(again.port).replace(server.password, "wrong"))
    again.release()


def test_a_killed_holder_holds_nothing(tmp_path: Path, wait_until: WaitUntil) -> None:
    path = tmp_path / "lease"
    pid = os.fork()
    if pid == 0:
        FileLock(path).take()
        signal.pause()
    assert wait_until(lambda: path.exists() and is_held(path))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not is_held(path)


def test_shared_locks_go_together_and_exclude_a_lone_one(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with FileLock(path) as one, FileLock(path) as two, FileLock(path) as lone:
        assert one.take(shared=True)
        assert two.take(shared=True)
        assert not lone.take()
        one.release()
        two.release()
        assert lone.take()
