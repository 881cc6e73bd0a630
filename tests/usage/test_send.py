"""The sender as a process of its own, against the real ingest over HTTP: killed, stopped, refused and fed with rubbish, it charges once."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.services.api_keys import IssuedKey
from credits.models import LedgerEntry
from tests import factories
from tests.actors import Cast
from tests.spending import price
from tests.usage import front as acts
from tests.usage.front import Front, running_front
from usage.models import UsageEvent

CHECKOUT: Final = Path(__file__).resolve().parents[2]
EVENT_NANOS: Final = 2_500_000
"""1,000 input tokens at $2.50 per million."""
QUICK: Final = ("--backoff", "0.01", "--batch", "10")


@pytest.fixture
def front(live_server: LiveServer) -> Iterator[Front]:
    price()
    with running_front(live_server.url) as front:
        yield front


@pytest.fixture
def log(tmp_path: Path, cast: Cast) -> Path:
    """Fifty calls of Alice's."""
    return written(tmp_path / "calls.jsonl", [native(cast, f"call-{number}") for number in range(50)])


def native(cast: Cast, event_id: str, **said: object) -> dict[str, Any]:
    return {"event_id": event_id, "account": cast.alice.account.public_id, "model": "gpt-4o", "input_tokens": 1_000, **said}


def written(path: Path, lines: list[Any]) -> Path:
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    path.write_text(text)
    return path


def sender(file: Path | str, *options: str, url: str, key: str | None, stdin: bytes | None = None) -> "subprocess.Popen[bytes]":
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)} | ({} if key is None else {"BILLING_KEY": key})
    process = subprocess.Popen(
        [sys.executable, "-m", "usage.send", str(file), "--url", url, *QUICK, *options],
        env=environment,
        cwd=Path(file).parent if file != "-" else None,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
    return process


def sent(file: Path | str, *options: str, front: Front, key: IssuedKey, stdin: bytes | None = None) -> tuple[int, str]:
    """Run it to its end: the exit code and everything it said."""
    process = sender(file, *options, url=front.url, key=key.secret, stdin=stdin)
    front.victim = process.pid
    out, err = process.communicate(timeout=60)
    said = (out + err).decode()
    assert key.secret not in said
    return process.returncode, said


def state_of(log: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(Path(f"{log}.sent").read_text())
    return state


def rejected_of(log: Path) -> list[tuple[int, str | None, str]]:
    lines = Path(f"{log}.rejected").read_text().splitlines()
    return [(one["line"], one["event_id"], one["code"]) for one in map(json.loads, lines)]


def assert_charged_once(cast: Cast, count: int) -> None:
    account = cast.alice.account
    assert UsageEvent.objects.filter(account=account).count() == count
    assert list(LedgerEntry.objects.filter(account=account, kind="usage").values_list("amount_nanos", flat=True)) == [-EVENT_NANOS] * count
    assert factories.balance_of(account) == -EVENT_NANOS * count
    assert factories.disagreements() == []


def test_a_log_is_booked_once_and_again_it_is_known_to_be_done(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    code, said = sent(log, front=front, key=gateway_key)
    assert (code, "50 lines: 50 accepted, 0 duplicates, 0 rejected, 0 not sent" in said) == (0, True), said
    assert_charged_once(cast, 50)
    assert len(front.bodies) == 5
    assert sent(log, front=front, key=gateway_key)[0] == 0
    assert len(front.bodies) == 5
    code, said = sent(log, "--restart", front=front, key=gateway_key)
    assert (code, "0 accepted, 50 duplicates" in said) == (0, True), said
    assert_charged_once(cast, 50)
    assert gateway_key.secret not in Path(f"{log}.sent").read_text()
    assert not Path(f"{log}.rejected").exists()


@pytest.mark.parametrize("moment", [acts.KILL_BEFORE, acts.KILL_AFTER, acts.KILL_ANSWERED])
def test_killed_in_the_middle_it_goes_on_and_charges_once(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path, moment: str) -> None:
    front.script = [acts.PASS, acts.PASS, moment]
    assert sent(log, front=front, key=gateway_key)[0] == -signal.SIGKILL
    assert state_of(log)["number"] in (20, 30)
    code, said = sent(log, front=front, key=gateway_key)
    assert (code, "going on after line" in said) == (0, True), said
    assert state_of(log)["number"] == 50
    assert len(front.bodies) <= 6
    assert_charged_once(cast, 50)


def test_refusals_that_pass_and_broken_lines_are_tried_again(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    front.script = [
        (429, {"Retry-After": "0"}),
        (503, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT", "Date": "Fri, 01 Jan 2100 00:00:00 GMT"}),
        acts.HANG_UP,
        acts.PASS,
        acts.HANG_UP_AFTER,
        (500, {}, b"<html>no JSON</html>"),
    ]
    code, said = sent(log, front=front, key=gateway_key)
    assert (code, "40 accepted, 10 duplicates" in said) == (0, True), said
    assert "429 made_up" in said
    assert "503 made_up" in said
    assert_charged_once(cast, 50)


def test_what_does_not_pass_is_given_up_and_taken_up_later(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    front.script = [acts.PASS, *[(503, {})] * 3]
    code, said = sent(log, "--retries", "2", front=front, key=gateway_key)
    assert (code, "tried 3 times" in said, state_of(log)["number"]) == (3, True, 10), said
    assert sent(log, front=front, key=gateway_key)[0] == 0
    assert_charged_once(cast, 50)


def test_a_batch_that_is_refused_whole_is_not_sent_again(front: Front, gateway_key: IssuedKey, log: Path) -> None:
    before = factories.books_now()
    for number, status in enumerate((301, 400, 401, 403, 413), start=1):
        front.script = [(status, {})]
        code, said = sent(log, front=front, key=gateway_key)
        assert (code, f"{status} made_up" in said, len(front.bodies)) == (3, True, number), said
    assert factories.books_now() == before
    assert not Path(f"{log}.sent").exists()


def test_a_key_that_may_not_report_is_given_up(front: Front, cast: Cast, log: Path) -> None:
    process = sender(log, url=front.url, key="sk_platform_" + "x" * 43)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"401 not_authenticated" in err) == (3, True), err


def test_stopped_by_a_signal_it_says_so_and_goes_on_later(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    front.script = [acts.PASS, (503, {"Retry-After": "600"})]
    process = sender(log, url=front.url, key=gateway_key.secret)
    assert process.stderr is not None
    assert b"again in 600.0 s" in process.stderr.readline()
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"the same command goes on from there" in err) == (3, True), err
    assert sent(log, front=front, key=gateway_key)[0] == 0
    assert_charged_once(cast, 50)


def test_bad_lines_are_left_out_by_number_and_reason(front: Front, gateway_key: IssuedKey, cast: Cast, tmp_path: Path) -> None:
    lines = [
        native(cast, "one"),
        "not json",
        native(cast, "two", model="nobody-knows"),
        "",
        "[1, 2]",
        native(cast, "three", tokens=5),
        native(cast, "one"),
        native(cast, "one", input_tokens=1),
        native(cast, "four"),
    ]
    log = written(tmp_path / "mixed.jsonl", lines)
    code, said = sent(log, "--batch", "3", front=front, key=gateway_key)
    assert (code, "9 lines: 2 accepted, 1 duplicates, 3 rejected, 2 not sent" in said) == (1, True), said
    expected = [
        (2, None, "unreadable"),
        (3, "two", "unknown_model"),
        (5, None, "unreadable"),
        (6, "three", "invalid_event"),
        (8, "one", "event_id_conflict"),
    ]
    assert rejected_of(log) == expected
    assert_charged_once(cast, 2)
    assert sent(log, front=front, key=gateway_key)[0] == 1
    assert rejected_of(log) == expected


def test_a_kill_leaves_no_rejection_twice(front: Front, gateway_key: IssuedKey, cast: Cast, tmp_path: Path) -> None:
    log = written(tmp_path / "bad.jsonl", [native(cast, f"bad-{number}", model="nobody-knows") for number in range(30)])
    front.script = [acts.PASS, acts.KILL_AFTER]
    assert sent(log, front=front, key=gateway_key)[0] == -signal.SIGKILL
    with Path(f"{log}.rejected").open("a") as half:
        half.write('{"line": 11, "event_')  # As if it had been killed between the two files.
    assert sent(log, front=front, key=gateway_key)[0] == 1
    assert rejected_of(log) == [(number + 1, f"bad-{number}", "unknown_model") for number in range(30)]


def test_a_log_that_grows_is_sent_from_where_it_was(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    with log.open("a") as more:
        more.write(json.dumps(native(cast, "cut"))[:40])
    code, said = sent(log, front=front, key=gateway_key)
    assert (code, "line 51 is not complete" in said, state_of(log)["number"]) == (1, True, 50), said
    with log.open("a") as more:
        more.write(json.dumps(native(cast, "cut"))[40:])
    assert sent(log, front=front, key=gateway_key)[0] == 0
    with log.open("a") as more:
        more.write("\n" + json.dumps(native(cast, "after", model="nobody-knows")) + "\n")
    assert sent(log, front=front, key=gateway_key)[0] == 1
    assert rejected_of(log) == [(52, "after", "unknown_model")]
    assert_charged_once(cast, 51)


def test_another_file_another_platform_or_another_reading_is_noticed(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    assert sent(log, front=front, key=gateway_key)[0] == 0
    before = factories.books_now()
    assert sent(log, "--layout", "openai", front=front, key=gateway_key)[0] == 2
    elsewhere = sender(log, url="http://127.0.0.1:1", key="k")
    elsewhere.communicate(timeout=60)
    assert elsewhere.returncode == 2
    written(log, [native(cast, f"other-{number}") for number in range(60)])
    code, said = sent(log, front=front, key=gateway_key)
    assert (code, "began otherwise" in said) == (2, True), said
    assert factories.books_now() == before
    assert sent(log, "--restart", front=front, key=gateway_key)[0] == 0
    assert_charged_once(cast, 110)


def test_a_file_is_sent_by_one_sender_at_a_time(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    front.script = [acts.PASS, (503, {"Retry-After": "600"})]
    first = sender(log, url=front.url, key=gateway_key.secret)
    assert first.stderr is not None
    assert b"again in" in first.stderr.readline()
    code, said = sent(log, front=front, key=gateway_key)
    first.kill()
    first.communicate(timeout=60)
    assert (code, "another sender is at" in said) == (2, True), said
    assert_charged_once(cast, 10)


def test_gzip_and_the_standard_input_are_read(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    packed = log.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    front.script = [acts.PASS, acts.KILL_AFTER]
    assert sent(packed, front=front, key=gateway_key)[0] == -signal.SIGKILL
    assert sent(packed, front=front, key=gateway_key)[0] == 0
    assert_charged_once(cast, 50)
    rejected = str(log.parent / "stdin.rejected")
    code, said = sent("-", "--rejected", rejected, "--from", "11", front=front, key=gateway_key, stdin=log.read_bytes())
    assert (code, "0 accepted, 40 duplicates" in said) == (0, True), said
    assert sorted(path.name for path in log.parent.iterdir()) == ["calls.jsonl", "calls.jsonl.gz", "calls.jsonl.gz.sent"]


def test_lines_before_the_first_that_is_asked_for_are_passed_over(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    assert sent(log, "--from", "41", front=front, key=gateway_key)[0] == 0
    assert_charged_once(cast, 10)
    assert UsageEvent.objects.filter(event_id="call-40").exists()


def test_a_dry_run_sends_nothing_and_writes_nothing(front: Front, gateway_key: IssuedKey, cast: Cast, log: Path) -> None:
    before = factories.books_now()
    code, said = sent(log, "--dry-run", front=front, key=gateway_key)
    assert (code, "50 events would be sent" in said, "input_tokens 50,000" in said) == (0, True, True), said
    assert front.bodies == []
    assert list(log.parent.iterdir()) == [log]
    assert factories.books_now() == before


def test_a_log_of_openai_is_charged_by_its_disjoint_classes(front: Front, gateway_key: IssuedKey, cast: Cast, tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 1_000,
        "completion_tokens": 300,
        "total_tokens": 1_300,
        "prompt_tokens_details": {"cached_tokens": 400},
        "completion_tokens_details": {"reasoning_tokens": 120},
    }
    log = written(tmp_path / "openai.jsonl", [{"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o", "usage": usage}])
    account = cast.alice.account
    assert sent(log, "--layout", "openai", "--account", account.public_id, front=front, key=gateway_key)[0] == 0
    # 600 input at $2.50, 400 cached at $1.25, 180 output and 120 reasoning at $10.00, per million.
    assert factories.balance_of(account) == -(1_500_000 + 500_000 + 1_800_000 + 1_200_000)


@pytest.mark.parametrize(
    "options",
    [
        ("--layout", "nothing"),
        ("--batch", "5001"),
        ("--from", "0"),
        ("--account", "alice"),
        ("--use-cost",),
        ("--map", "/nowhere"),
        ("--retries", "-1"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, options: tuple[str, ...]) -> None:
    log = written(tmp_path / "empty.jsonl", [])
    process = sender(log, *options, url="http://127.0.0.1:1", key="secret-key")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"secret-key" in err) == (2, False), err


@pytest.mark.parametrize(("url", "key"), [("http://127.0.0.1:1", None), ("ftp://x", "k"), ("http://user:pass@x", "k"), ("http://x:y", "k")])
def test_a_key_and_a_url_are_needed(tmp_path: Path, url: str, key: str | None) -> None:
    log = written(tmp_path / "empty.jsonl", [])
    process = sender(log, url=url, key=key)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"pass@" in err) == (2, False), err


def test_the_sender_needs_nothing_of_the_platform() -> None:
    listing = "import sys, usage.send.__main__; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", listing], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()
    assert "usage" in found
    assert set(found) & {"django", "core", "accounts", "credits", "payments", "billing_platform", "rest_framework", "psycopg"} == set()
