"""What the sender does to files: it never destroys what it was not given to write, and notices a log that lost what was sent of it."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from accounts.services.api_keys import IssuedKey
from tests import factories
from tests.actors import Cast
from tests.usage.front import Front
from tests.usage.test_send import CHECKOUT, front, log, native, sent, state_of, written
from usage.send.keeping import Keeper, Refusal
from usage.send.reading import Place

__all__ = ["front", "log"]
TARGET: Final = "https://x native 0"
KEPT: Final = b'{"line":9,"event_id":"kept","code":"unknown_model","message":"m"}\n'


def refusal(line: int) -> Refusal:
    return Refusal(line, f"e-{line}", "unknown_model", "m")


def keeper(log: Path, *, rejected: Path | None = None, restart: bool = False, is_kept: bool = True) -> Keeper:
    made = Keeper(str(log) if is_kept else "-", TARGET, is_kept=is_kept, rejected=rejected or Path(f"{log}.rejected"))
    made.resume(restart=restart)
    return made


def listed(path: Path) -> list[int]:
    return [json.loads(line)["line"] for line in path.read_text().splitlines()]


def test_a_list_that_the_state_does_not_keep_is_added_to_and_never_cut(log: Path) -> None:
    shared = log.with_name("shared")
    shared.write_bytes(KEPT)
    for number in (1, 2):
        one = keeper(log, rejected=shared)
        one.keep(Place(10 * number, number), [refusal(number)])
        one.close()
    other = keeper(written(log.with_name("other.jsonl"), ["{}"]), rejected=shared)
    other.keep(Place(3, 1), [refusal(7)])
    other.close()
    keeper(log, rejected=shared).close()
    assert listed(shared) == [9, 1, 2, 7]


def test_each_run_of_the_standard_input_adds_to_the_list(log: Path) -> None:
    rejected = log.with_name("stdin.rejected")
    for number in (1, 2):
        one = keeper(log, rejected=rejected, is_kept=False)
        one.keep(Place(0, number), [refusal(number)])
        one.close()
    assert listed(rejected) == [1, 2]


@pytest.mark.parametrize("restart", [True, False])
def test_a_new_state_keeps_what_was_listed_before(log: Path, *, restart: bool) -> None:
    rejected = Path(f"{log}.rejected")
    if restart:
        before = keeper(log)
        before.keep(Place(10, 1), [refusal(8)])
        before.close()
    rejected.write_bytes(KEPT)
    one = keeper(log, restart=restart)
    one.keep(Place(10, 1), [refusal(1)])
    one.close()
    assert listed(rejected) == [9, 1]
    with rejected.open("ab") as half:
        half.write(b'{"line": 2, "ev')
    one = keeper(log)
    one.keep(Place(20, 2), [refusal(2)])
    one.close()
    assert listed(rejected) == [9, 1, 2]


def test_half_a_line_of_somebody_else_spoils_no_other(log: Path) -> None:
    shared = log.with_name("shared")
    shared.write_bytes(b'{"line": 3, "ev')
    one = keeper(log, rejected=shared)
    one.keep(Place(10, 1), [refusal(1)])
    one.close()
    half, whole = shared.read_text().splitlines()
    assert (half, json.loads(whole)["line"]) == ('{"line": 3, "ev', 1)


def test_a_stop_within_the_first_batch_leaves_no_rejection_twice(log: Path) -> None:
    rejected = Path(f"{log}.rejected")
    stopped = keeper(log)
    rejected.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        stopped.keep(Place(10, 1), [refusal(1)])
    with pytest.raises(OSError, match="No space left"):
        stopped.close()
    rejected.unlink()
    rejected.write_bytes(KEPT)  # As if that much had been written of the batch.
    one = keeper(log)
    assert one.state.place == Place(0, 0)
    one.keep(Place(10, 1), [refusal(1)])
    one.close()
    assert listed(rejected) == [1]


def test_a_list_elsewhere_leaves_the_states_own_list_as_long_as_it_was(log: Path) -> None:
    for number, rejected in enumerate((None, log.with_name("elsewhere"), None), start=1):
        one = keeper(log, rejected=rejected)
        one.keep(Place(10 * number, number), [refusal(number)])
        one.close()
        with Path(f"{log}.rejected").open("ab") as beyond:
            beyond.write(KEPT * (number < 3) * 2)
    assert listed(Path(f"{log}.rejected")) == [1, 3]
    assert listed(log.with_name("elsewhere")) == [2]


def _linked(log: Path) -> Path:
    log.with_name("linked").hardlink_to(log)
    return log.with_name("linked")


def _state(log: Path) -> Path:
    Path(f"{log}.sent").write_bytes(b"{}")
    log.with_name("state").symlink_to(f"{log}.sent")
    return log.with_name("state")


def _of_another(log: Path) -> Path:
    log.with_name("other.jsonl.sent").write_bytes(b"{}")
    log.with_name("other.jsonl.rejected").write_bytes(KEPT)
    return log.with_name("other.jsonl.rejected")


WRONG: Final[dict[str, Callable[[Path], Path]]] = {
    "the log": lambda log: log,
    "the log by another name": _linked,
    "the state to come": lambda log: Path(f"{log}.sent"),
    "the state by another name": _state,
    "what becomes the state": lambda log: Path(f"{log}.sent.tmp"),
    "what the state of another log keeps": _of_another,
    "a directory": lambda log: log.parent,
    "no file": lambda _: Path("/dev/null"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("options", [(), ("--restart",), ("--dry-run",)])
def test_rejected_lines_never_go_into_what_is_no_list(
    front: Front, gateway_key: IssuedKey, log: Path, name: str, options: tuple[str, ...]
) -> None:
    rejected = WRONG[name](log)
    files = {path: path.read_bytes() for path in log.parent.iterdir() if path.is_file()}
    before = factories.books_now()
    code, said = sent(log, "--rejected", str(rejected), *options, front=front, key=gateway_key)
    assert (code, "--rejected" in said, "--restart begins" in said) == (2, True, False), said
    assert {path: path.read_bytes() for path in log.parent.iterdir() if path.is_file()} == files
    assert front.bodies == []
    assert factories.books_now() == before


def test_a_log_as_standard_input_does_not_take_its_own_rejections(gateway_key: IssuedKey, log: Path) -> None:
    with log.open("rb") as stdin:
        command = [sys.executable, "-m", "usage.send", "-", "--url", "http://127.0.0.1:1", "--rejected", str(log)]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "BILLING_KEY": "k"}
        done = subprocess.run(command, env=environment, stdin=stdin, capture_output=True, check=False, timeout=60)
    assert (done.returncode, b"--rejected" in done.stderr) == (2, True), done.stderr


def test_a_shared_list_is_told_of(front: Front, gateway_key: IssuedKey, cast: Cast, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for name in ("a", "b"):
        log = written(tmp_path / f"{name}.jsonl", [native(cast, name, model="nobody-knows")])
        code, said = sent(log, "--rejected", str(shared), front=front, key=gateway_key)
        assert (code, f"what was not booked is in {shared}" in said) == (1, True), said
    assert [json.loads(line)["event_id"] for line in shared.read_text().splitlines()] == ["a", "b"]


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_log_that_lost_what_was_sent_of_it_is_noticed(
    front: Front, gateway_key: IssuedKey, cast: Cast, tmp_path: Path, *, is_packed: bool
) -> None:
    lines = "".join(json.dumps(native(cast, f"call-{number}")) + "\n" for number in range(60)).encode()
    log = tmp_path / ("calls.jsonl.gz" if is_packed else "calls.jsonl")
    cut = lines[: lines.index(b"\n", 4_096) + 1]
    log.write_bytes(gzip.compress(lines) if is_packed else lines)
    assert sent(log, front=front, key=gateway_key)[0] == 0
    state, before, bodies = state_of(log), factories.books_now(), len(front.bodies)
    log.write_bytes(gzip.compress(cut) if is_packed else cut)
    code, said = sent(log, front=front, key=gateway_key)
    assert (code, "shorter than what was sent of it" in said, "--restart begins anew" in said) == (2, True, True), said
    assert (state_of(log), factories.books_now(), len(front.bodies)) == (state, before, bodies)
    assert sent(log, "--restart", front=front, key=gateway_key)[0] == 0
    assert factories.books_now() == before


def test_a_log_of_the_same_length_is_done(front: Front, gateway_key: IssuedKey, cast: Cast, tmp_path: Path) -> None:
    log = tmp_path / "open.jsonl"
    log.write_text(json.dumps(native(cast, "no-newline")))
    assert sent(log, front=front, key=gateway_key)[0] == 0
    assert sent(log, front=front, key=gateway_key)[0] == 0
    assert not Path(f"{log}.rejected").exists()
