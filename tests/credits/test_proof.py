"""Proofs of entries, and the customers' verifier: every forgery of a statement is named by its line."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.api.times import iso_z
from credits.api.history import VERIFIER
from credits.models import LedgerEntry
from credits.statements import COLUMNS
from tests import actors, factories
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.credits.paper import Cells, Desk, Paper, busy_history, digest, fetch, forge, proof_of, rows_of, seal, text_of
from tests.spending import adjust, report

pytestmark = pytest.mark.django_db

ENTRY: Final = 5
"""The seq that is forged; its line in the file is two further: the header and the opening row stand before."""
LINE: Final = ENTRY + 2
HASHED: Final = ("id", "kind", "book", "amount_nanos", "reverses", "occurred_at", "created_at", "source")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture
def rows(api: Api, alice: Person) -> Paper:
    busy_history(alice.account)
    seal()
    return rows_of(fetch(api, alice))


def other_digit(cell: str) -> str:
    """One character changed for another of its kind."""
    at = next((place for place in reversed(range(len(cell))) if cell[place].isalnum()), None)
    if at is None:
        return f"{cell}1"
    return f"{cell[:at]}{'1' if cell[at] != '1' else '2'}{cell[at + 1 :]}"


def says(answer: tuple[int, str], code: int, *words: str) -> None:
    assert answer[0] == code, answer
    assert not [word for word in words if word not in answer[1]], answer


def test_a_proof_leads_from_every_entry_to_the_seal(api: Api, alice: Person, rows: Paper, desk: Desk) -> None:
    proofs = [proof_of(api, alice, seq) for seq in range(1, 12)]
    for proof in proofs:
        says(desk.check(rows, proof), 0, "Proven: seq 1 to 11 are what was sealed")
    assert [len(proof["following"]) for proof in proofs] == list(range(10, -1, -1))
    assert proofs[4]["entry"]["source"] == "usage_event:call-3"
    assert "call-4" not in str(proofs[4])


def test_a_proof_has_at_most_999_digests_and_a_path(api: Api, alice: Person, desk: Desk) -> None:
    for _ in range(4):
        adjust(factories.make_account(), 1)
    busy_history(alice.account, calls=2_497)
    seal()
    proofs = [proof_of(api, alice, seq) for seq in (1_001, 1, 2_500)]
    assert [len(proof["following"]) for proof in proofs] == [999, 999, 0]
    assert {len(proof["path"]) for proof in proofs} <= {2, 3}
    says(desk.check(fetch(api, alice), *proofs), 0, "Proven: seq 1 to 2500")
    says(desk.check(fetch(api, alice), proofs[1]), 0, "Proven: seq 1 to 1000", "Not proven: seq 1001 to 2500")


def test_a_proof_of_a_later_statement_and_one_of_an_earlier_seal(api: Api, alice: Person, rows: Paper, desk: Desk) -> None:
    adjust(alice.account, 1)
    seal()
    proofs = [proof_of(api, alice, 11), proof_of(api, alice, 12)]
    assert [(proof["seal"]["number"], proof["newest"]["number"]) for proof in proofs] == [(1, 2), (2, 2)]
    later = rows_of(fetch(api, alice))
    says(desk.check(later, *proofs), 0, "seq 1 to 12")
    seals = api.get("/v1/seals", alice).json()
    says(desk.check(later, *proofs, seals), 0, f"Seal 2: {seals['items'][1]['digest']}")
    seals["items"][1]["previous"] = "0" * 64
    says(desk.check(later, *proofs, seals), 1, "seal 2")


def test_a_tree_is_read_for_its_first_proof_only(api: Api, alice: Person, rows: Paper) -> None:
    seal()
    looks = []
    for seq in (2, 3):
        with CaptureQueriesContext(connection) as asked:
            proof_of(api, alice, seq)
        looks.append(len([query for query in asked.captured_queries if "public_id" in query["sql"] and '"position"' in query["sql"]]))
    assert looks == [1, 0]


def test_an_entry_that_is_not_sealed_yet_says_when_to_come_back(api: Api, alice: Person, rows: Paper) -> None:
    entry = adjust(alice.account, 1)
    answer = api.get(f"/v1/ledger/{entry.pk}/proof", alice)
    assert (answer.status_code, answer.json()["code"], answer.json()["retry_after"]) == (409, "not_sealed_yet", 300)
    assert answer.headers["Retry-After"] == "300"


def test_entries_of_others_and_of_nobody_are_not_found(api: Api, cast: Cast) -> None:
    busy_history(cast.alice.account)
    adjust(cast.charlie.account, 5)
    seal()
    theirs = LedgerEntry.objects.get(account=cast.alice.account, seq=3).pk
    for entry_id in (theirs, 0, theirs + 10**6, 2**63 - 1, 2**64, 10**40):
        answer = api.get(f"/v1/ledger/{entry_id}/proof", cast.charlie)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert api.get(f"/v1/ledger/{theirs}/proof", cast.bob, x_account=cast.alice.account.public_id).status_code == 200
    assert api.get(f"/v1/ledger/{theirs}/proof", actors.customer_key(cast.alice, ["usage:read"])).status_code == 403
    assert api.get(f"/v1/ledger/{theirs}/proof").status_code == 401


def test_seals_are_listed_for_whoever_logs_in(api: Api, cast: Cast) -> None:
    for _ in range(3):
        adjust(cast.alice.account, 1)
        seal()
    first = api.get("/v1/seals?limit=2", cast.charlie).json()
    assert [one["number"] for one in first["items"]] == [1, 2]
    rest = api.get(f"/v1/seals?limit=2&after={first['next_after']}", actors.customer_key(cast.charlie)).json()
    assert [one["number"] for one in rest["items"]] == [3]
    assert rest["items"][0]["previous"] == first["items"][1]["digest"]
    assert api.get(f"/v1/seals?after={rest['next_after']}", cast.charlie).json() == {"items": [], "next_after": 3}
    assert api.get("/v1/seals").status_code == 401
    for query in ("limit=0", "limit=1001", "after=-1", "after=x"):
        assert api.get(f"/v1/seals?{query}", cast.charlie).status_code == 400


@pytest.mark.parametrize("column", COLUMNS)
def test_one_character_of_an_entry_names_its_line(rows: Paper, desk: Desk, column: str) -> None:
    place = COLUMNS.index(column)
    rows[LINE - 1][place] = other_digit(rows[LINE - 1][place])
    says(desk.check(rows), 1, f"line {LINE}")


@pytest.mark.parametrize("record", ["header", "opening", "closing", "total"])
@pytest.mark.parametrize("column", COLUMNS)
def test_one_character_of_another_row_names_it_or_the_one_that_disagrees(rows: Paper, desk: Desk, record: str, column: str) -> None:
    number = {"header": 1, "opening": 2, "closing": 14, "total": 15}[record]
    place = COLUMNS.index(column)
    rows[number - 1][place] = other_digit(rows[number - 1][place])
    code, said = desk.check(rows)
    assert code == 1, said
    # What only the opening row says shows where something is compared with it: at the first entry, or in the closing row.
    assert any(f"line {line}" in said for line in {number, *({3, 14} if record == "opening" else ())}), said


@pytest.mark.parametrize("number", range(1, 19))
def test_a_line_that_is_missing_is_noticed_where_it_was(rows: Paper, desk: Desk, number: int) -> None:
    assert len(rows) == 18
    del rows[number - 1]
    says(desk.check(rows), 1, f"line {number}")


@pytest.mark.parametrize("number", range(1, 18))
def test_two_lines_that_changed_places_are_noticed_at_the_first(rows: Paper, desk: Desk, number: int) -> None:
    rows[number - 1], rows[number] = rows[number], rows[number - 1]
    says(desk.check(rows), 1, f"line {number}")


def test_a_line_twice_and_a_line_too_many_are_noticed(rows: Paper, desk: Desk) -> None:
    says(desk.check([*rows[:5], rows[4], *rows[5:]]), 1, "line 6, seq 3: seq 4 must follow seq 3")
    says(desk.check([*rows, rows[-1]]), 1, "line 19: nothing may follow")
    says(desk.check([*rows[:6], rows[6][:-1], *rows[7:]]), 1, "line 7: it has 16 cells")


CHANGES: Final[dict[str, Callable[[Cells], object]]] = {
    "id": lambda line: line.update(id=str(int(line["id"]) + 1)),
    "kind": lambda line: line.update(kind="expiry"),
    "book": lambda line: line.update(book="promo"),
    "amount_nanos": lambda line: line.update(amount_nanos=str(int(line["amount_nanos"]) + 1)),
    "reverses": lambda line: line.update(reverses="2"),
    "occurred_at": lambda line: line.update(occurred_at=other_digit(line["occurred_at"][:-1]) + "Z"),
    "created_at": lambda line: line.update(created_at=other_digit(line["created_at"][:-1]) + "Z"),
    "source": lambda line: line.update(source="usage_event:another"),
}


def sorted_out(forged: Paper) -> Paper:
    """A forger's totals, in order, where a kind was changed: kinds that came or went."""
    at = COLUMNS.index("kind")
    totals = [row for row in forged if row[0] == "total"]
    kinds = {row[at] for row in forged if row[0] == "entry"}
    for kind in kinds - {row[at] for row in totals}:
        new = list(totals[0])
        amounts = [int(row[COLUMNS.index("amount_nanos")]) for row in forged if row[0] == "entry" and row[at] == kind]
        new[at], new[COLUMNS.index("count")], new[COLUMNS.index("amount_nanos")] = kind, str(len(amounts)), str(sum(amounts))
        new[COLUMNS.index("amount_usd")] = f"-0.{abs(sum(amounts)):09}".rstrip("0")
        totals.insert(0, new)
    return [*[row for row in forged if row[0] != "total"], *sorted(totals[:-1], key=lambda row: row[at]), totals[-1]]


@pytest.mark.parametrize("column", HASHED)
def test_a_forger_who_writes_all_links_anew_is_named_by_a_proof(api: Api, alice: Person, rows: Paper, desk: Desk, column: str) -> None:
    forged = sorted_out(forge(rows, ENTRY, CHANGES[column]))
    before, itself, after = (proof_of(api, alice, seq) for seq in (3, ENTRY, 9))
    says(desk.check(forged, itself), 1, f"line {LINE}, seq {ENTRY}: {column} is")
    says(desk.check(forged, before), 1, f"line {LINE}, seq {ENTRY}: it is not the entry that proof-0.json proves")
    if column != "created_at":  # Lines out of the order of time are noticed without a proof.
        says(desk.check(forged), 0, "Not proven: seq 1 to 11")
        says(desk.check(forged, after), 1, "line 11, seq 9", "one of lines 3 to 10 (seq 1 to 8) is not what was sealed")


def test_proofs_narrow_down_where_a_forger_was(api: Api, alice: Person, desk: Desk) -> None:
    busy_history(alice.account)
    seal()
    report(alice.account, *[f"more-{number}" for number in range(5)])
    seal()
    forged = forge(rows_of(fetch(api, alice)), 13, CHANGES["source"])
    around = proof_of(api, alice, 4), proof_of(api, alice, 16)
    says(desk.check(forged, *around), 1, "line 18, seq 16", "one of lines 14 to 17 (seq 12 to 15)")
    says(desk.check(forged, proof_of(api, alice, 12), proof_of(api, alice, 16)), 1, "line 15, seq 13")


def test_a_statement_cut_short_is_found_by_a_proof_of_what_is_missing(api: Api, alice: Person, desk: Desk) -> None:
    for amount in (1, 2, 4):
        adjust(alice.account, amount)
    seal()
    period = rows_of(fetch(api, alice, "?to=2099-01-01"))
    cut = forge([*period[:4], *period[5:]], 1, lambda _: None)
    cut[4][COLUMNS.index("count")] = "2"
    says(desk.check(cut), 0, "Not proven: seq 1 to 2")
    says(desk.check(cut, proof_of(api, alice, 3)), 1, "line 5, seq 2: seq 3, an entry of the period by proof-0.json, is missing")


def test_a_period_in_the_middle_is_proven_too(api: Api, alice: Person, rows: Paper, desk: Desk) -> None:
    at = LedgerEntry.objects.get(account=alice.account, seq=10).created_at
    middle = rows_of(fetch(api, alice, f"?from={at.isoformat().replace('+00:00', 'Z')}"))
    says(desk.check(middle, proof_of(api, alice, 11)), 0, "Proven: seq 10 to 11")
    says(desk.check(middle, proof_of(api, alice, 2)), 0, "Proven: seq 10 to 11")
    says(desk.check(middle, proof_of(api, alice, 9)), 0, "Proven: seq 10 to 11")
    middle[1][COLUMNS.index("link")] = "0" * 64
    forged = forge(middle, 10, lambda _: None)
    says(desk.check(forged), 0)
    says(desk.check(forged, proof_of(api, alice, 11)), 1, "line 4, seq 11")
    says(desk.check(forged, proof_of(api, alice, 9)), 1, "line 2, seq 9")


PATHS: Final = [
    ("account",), ("entry", "id"), ("entry", "amount_nanos"), ("entry", "source"), ("link_before",), ("link",), ("following", 0),
    ("checkpoint", "seq"), ("checkpoint", "link"), ("checkpoint", "position"), ("path", 0), ("seal", "number"), ("seal", "previous"),
    ("seal", "root"), ("seal", "checkpoints"), ("seal", "entries"), ("seal", "sealed_at"), ("seal", "digest"), ("newest", "number"),
    ("newest", "digest"),
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_a_proof_changed_in_one_place_proves_nothing(api: Api, alice: Person, desk: Desk, path: tuple[Any, ...]) -> None:
    adjust(factories.make_account(), 1)
    busy_history(alice.account)
    seal()
    proof: Any = proof_of(api, alice, 5)
    says(desk.check(fetch(api, alice), proof), 0)
    inner = proof
    for part in path[:-1]:
        inner = inner[part]
    old = inner[path[-1]]
    inner[path[-1]] = old - 1 if isinstance(old, int) else other_digit(old)
    code, said = desk.check(fetch(api, alice), proof)
    assert code in {1, 2}, said
    assert "OK" not in said


def test_a_proof_of_another_account_is_not_of_this_statement(api: Api, cast: Cast, rows: Paper, desk: Desk) -> None:
    adjust(cast.charlie.account, 5)
    seal()
    says(desk.check(rows, proof_of(api, cast.charlie, 1)), 1, "it is of account", cast.charlie.account.public_id)


def test_what_is_no_statement_or_no_proof_is_not_checked(rows: Paper, desk: Desk) -> None:
    says(desk.check("\x00\xff"), 1, "line 1")
    says(desk.check(""), 1, "line 2")
    says(desk.check(rows, {"what": "ever"}), 2, "NOT CHECKED")
    says(desk.check(rows, "{"), 2, "NOT CHECKED")


def test_the_verifier_is_downloaded_and_runs_alone(api: Api, alice: Person, rows: Paper, tmp_path: Path) -> None:
    answer = api.get("/v1/statement/verifier")
    assert answer.headers["Content-Type"] == "text/x-python; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="verify_statement.py"'
    program = tmp_path / "verify_statement.py"
    program.write_bytes(answer.content)
    (tmp_path / "statement.csv").write_text(fetch(api, alice), newline="")
    (tmp_path / "proof.json").write_text(api.get(f"/v1/ledger/{rows[12][1]}/proof", alice).content.decode())
    arguments = [sys.executable, "-I", "verify_statement.py"]
    for names, code in ((["statement.csv", "proof.json"], 0), (["proof.json", "proof.json"], 2), (["nothing.csv"], 2), ([], 2)):
        run = subprocess.run([*arguments, *names], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (code, ""), run.stdout


def test_the_verifier_is_python_3_8_and_needs_nothing_else() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= {*sys.stdlib_module_names}


def test_a_seal_whose_number_is_text_prints_no_genuine_seal(api: Api, alice: Person, rows: Paper, desk: Desk) -> None:
    proof, lie = proof_of(api, alice, 11), "a" * 64
    for path, value in (
        (("seal", "number"), f"1: {lie}\nSeal 0"), (("seal", "number"), True), (("seal", "number"), 1.0), (("seal", "number"), 0),
        (("newest", "number"), "1"), (("newest", "digest"), f"{lie}\n"), (("seal", "sealed_at"), f"x\nSeal 1: {lie}"),
        (("seal", "checkpoints"), "1"), (("checkpoint", "position"), -1), (("entry", "source"), f"x\nSeal 1: {lie}"),
        (("entry", "seq"), 11), (("entry", "kind"), "\x1b[2J"), (("entry", "created_at"), "2026"), (("account",), "x\nOK: yes"),
        (("link_before",), "AB" * 32), (("following",), [f"\nOK: {lie}"]), (("path",), "ab"), (("seal",), []), (("entry",), None),
    ):  # fmt: skip
        forged: Any = json.loads(json.dumps(proof))
        inner = forged
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value
        code, said = desk.check(rows, forged)
        assert code == 2, (path, said)
        assert said.startswith(f"NOT CHECKED: ValueError: proof-0.json: {path[0]}")
        assert said.count("\n") == 1
        assert lie not in said


def test_a_list_of_seals_is_held_against_its_shape(api: Api, alice: Person, rows: Paper, desk: Desk) -> None:
    seals = api.get("/v1/seals", alice).json()
    item = {**seals["items"][0], "number": "1"}
    lists: list[Any] = [{"items": "all"}, {"items": [[]]}, {"items": [item]}, {**seals, "entry": {}}]
    for forged in lists:
        says(desk.check(rows, forged), 2, "NOT CHECKED: ValueError")
    says(desk.check(rows, "[" * 100_000), 2, "NOT CHECKED: RecursionError")


@pytest.mark.parametrize("column", ["source", "seq", "kind", "created_at", "link", "record", "amount_usd"])
@pytest.mark.parametrize("number", [2, 7, 14, 18])
def test_no_cell_of_a_statement_prints_a_line_of_its_own(rows: Paper, desk: Desk, number: int, column: str) -> None:
    rows[number - 1][COLUMNS.index(column)] = "account:0b95\nOK: all\r\nSeal 7: \x1b[2K\u2028\u202e"
    code, said = desk.check(rows)
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(f"WRONG: statement.csv: line {number}")
    assert (said.isascii(), said.strip().isprintable()) == (True, True)


def test_a_name_of_a_file_prints_no_line_of_its_own(rows: Paper, desk: Desk) -> None:
    named = desk.write("statement.csv\nSeal 7: 00", text_of(rows))
    code, said = desk.run(named)
    assert (code, said.count("\nSeal")) == (0, 0)


def without_first(rows: Paper, count: int) -> Paper:
    """A period whose first entries were dropped, by somebody who wrote opening row, count and totals anew."""
    dropped = dict(zip(COLUMNS, rows[count + 1], strict=True))
    opening = dict(zip(COLUMNS, rows[1], strict=True))
    opening |= {name: dropped[name] for name in COLUMNS if name in {"seq", "link"} or "_after_" in name}
    rest = [list(row) for row in rows[count + 2 :]]
    kinds = {row[COLUMNS.index("kind")] for row in rest if row[0] == "entry"}
    rest = [row for row in rest if row[0] != "total" or row[COLUMNS.index("kind")] in {*kinds, "all"}]
    next(row for row in rest if row[0] == "closing")[COLUMNS.index("count")] = str(sum(row[0] == "entry" for row in rest))
    return forge([rows[0], list(opening.values()), *rest], int(rest[0][2]), lambda _: None)


def test_first_entries_that_were_dropped_are_found_by_a_proof_of_one(api: Api, alice: Person, rows: Paper, desk: Desk) -> None:
    period = rows_of(fetch(api, alice, "?from=2026-01-01T00:00:00Z"))
    forged = without_first(period, 3)
    says(desk.check(without_first(rows, 3)), 1, "line 2, seq 3: a period without a beginning begins with seq 0")
    last = proof_of(api, alice, 11)
    says(desk.check(forged, last), 0, "Proven: seq 4 to 11", "Not proven: that the period has no entry before seq 4", "prove seq 3")
    for seq in (1, 2, 3):
        says(desk.check(forged, last, proof_of(api, alice, seq)), 1, f"line 2, seq 3: seq {seq}, an entry of the period by proof-1.json")
    code, said = desk.check(period, last)
    assert (code, "before seq" in said) == (0, False)


def test_the_entry_before_a_period_shows_that_it_begins_there(api: Api, alice: Person, desk: Desk) -> None:
    now = clock.now()
    for days in (9, 8, 3, 1):
        adjust(alice.account, days, now - timedelta(days=days))
    seal()
    period = rows_of(fetch(api, alice, f"?from={iso_z(now - timedelta(days=8, hours=1))}&to={iso_z(now - timedelta(days=2))}"))
    around = [proof_of(api, alice, seq) for seq in (1, 4)]
    code, said = desk.check(period, *around)
    assert (code, "Not proven" in said, "Proven: seq 2 to 3" in said) == (0, False, True), said
    says(desk.check(period), 0, "Not proven: seq 2 to 3", "no entry before seq 2", "no entry after seq 3; prove seq 4")
    says(desk.check(period, around[1]), 0, "Proven: seq 2 to 3", "no entry before seq 2")
    forged = forge(period, 3, CHANGES["amount_nanos"])
    says(desk.check(forged, around[1]), 1, "line 5, seq 3: proof-0.json proves another link here: one of lines 2 to 4 (seq 2 to 3)")


def test_a_statement_without_entries_is_proven_by_its_neighbours_only(api: Api, alice: Person, desk: Desk) -> None:
    now = clock.now()
    for days in (9, 8, 1):
        adjust(alice.account, days, now - timedelta(days=days))
    seal()
    empty = rows_of(fetch(api, alice, f"?from={iso_z(now - timedelta(days=5))}&to={iso_z(now - timedelta(days=4))}"))
    proofs = [proof_of(api, alice, seq) for seq in (1, 2, 3)]
    says(desk.check(empty), 0, "Not proven: the opening and closing sums", "prove seq 2")
    says(desk.check(empty, proofs[0]), 0, "Not proven: the opening and closing sums")
    code, said = desk.check(empty, *proofs[1:])
    assert (code, "Not proven" in said, "Proven: the opening row, after seq 2" in said, "Seal 1: " in said) == (0, False, True, True), said
    forged = [list(row) for row in empty]
    for row in forged[1:3]:
        row[COLUMNS.index("balance_after_nanos")], row[COLUMNS.index("balance_after_usd")] = "999000000000", "999.00"
    says(desk.check(forged, proofs[0]), 0, "Not proven: the opening and closing sums")
    assert "Seal" not in desk.check(forged, proofs[0])[1]
    for proof in proofs[1:]:
        says(desk.check(forged, proof), 1, "line 2, seq 2: proof-0.json proves another balance here")


def test_an_empty_period_that_hides_its_entries_is_found_by_a_proof_of_one(api: Api, alice: Person, desk: Desk) -> None:
    now = clock.now()
    for days in (9, 8):
        adjust(alice.account, days, now - timedelta(days=days))
    seal()
    earlier, later = (rows_of(fetch(api, alice, f"?to={iso_z(now - timedelta(days=days))}")) for days in (10, 8))
    assert [row[0] for row in earlier[1:]] == ["opening", "closing", "total"]
    for row in earlier[1:3]:
        row[COLUMNS.index("created_at")] = later[1][COLUMNS.index("created_at")]
    says(desk.check(earlier), 0, "no entry after seq 0; prove seq 1")
    says(desk.check(earlier, proof_of(api, alice, 1)), 1, "line 3: seq 1, an entry of the period by proof-0.json, is missing")


def test_a_seal_that_is_only_named_or_came_before_is_not_printed(api: Api, alice: Person, rows: Paper, desk: Desk) -> None:
    for _ in range(2):
        adjust(alice.account, 1)
        seal()
    paper, seals = rows_of(fetch(api, alice)), api.get("/v1/seals", alice).json()["items"]
    proof = proof_of(api, alice, 12)
    assert (proof["seal"]["number"], proof["newest"]["number"]) == (2, 3)

    def printed(*others: object) -> list[str]:
        code, said = desk.check(paper, *others)
        assert code == 0, said
        return [line for line in said.splitlines() if line.startswith("Seal")]

    lines = [f"Seal {one['number']}: {one['digest']}" for one in seals]
    assert printed(proof) == lines[1:2]
    assert printed(proof, {"items": seals}) == lines[1:]
    assert printed(proof, {"items": seals[:1]}) == lines[1:2]
    assert printed({"items": seals}) == []


def test_proofs_that_contradict_each_other_prove_nothing(api: Api, cast: Cast, rows: Paper, desk: Desk) -> None:
    proof = proof_of(api, cast.alice, 11)
    lie = forged_proof(proof, number=5)
    for order in ((proof, lie), (lie, proof)):
        says(desk.check(rows, *order), 1, "proof-1.json: proof-0.json proves another entry seq 11")


def forged_proof(proof: Any, number: int) -> Any:
    """Another end of the chain, under a seal that nobody has seen: all of it agrees with itself."""
    lie = json.loads(json.dumps(proof))
    lie["entry"]["source"] = "tests:another"
    link = sha256(bytes.fromhex(lie["link_before"]) + digest(lie["entry"])).hexdigest()
    compact: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}
    leaf = sha256(b"\x00" + json.dumps([lie["account"], lie["entry"]["seq"], link], **compact).encode()).hexdigest()
    header = {"number": number, "previous": "0" * 64, "root": leaf, "checkpoints": 1, "entries": 1, "sealed_at": lie["seal"]["sealed_at"]}
    own = sha256(json.dumps(["seal", *map(str, header.values())], **compact).encode()).hexdigest()
    lie |= {"link": link, "following": [], "path": [], "seal": {**header, "digest": own}, "newest": {"number": number, "digest": own}}
    lie["checkpoint"] = {"seq": int(lie["entry"]["seq"]), "link": link, "position": 0}
    return lie
