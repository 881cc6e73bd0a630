"""
Checks a statement of credits offline, and proofs that its lines are what was sealed. Nothing but Python 3.8 or newer.

    python -I verify_statement.py statement.csv [proof.json ...] [seals.json ...]

A statement is what GET /v1/statement answers, a proof GET /v1/ledger/{id}/proof, and seals GET /v1/seals. Every line is added up
and hashed anew. Without proofs a statement can only be shown to agree with itself. A proof leads from one of its lines to the digest
of a seal: compare that digest with one that you kept, or that others did. What no proof has shown is said as "Not proven".

Exit code 0: everything agrees. 1: something is wrong; its line and seq are printed. 2: nothing was checked.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Dict, Iterator, NamedTuple, NoReturn  # noqa: UP035  Python 3.8.

COLUMNS = ("record", "id", "seq", "kind", "book", "amount_usd", "amount_nanos", "balance_after_usd", "balance_after_nanos",
    "spent_after_usd", "spent_after_nanos", "reverses", "occurred_at", "created_at", "source", "count", "link")  # fmt: skip
DOLLARS = (("amount_usd", "amount_nanos"), ("balance_after_usd", "balance_after_nanos"), ("spent_after_usd", "spent_after_nanos"))
RUNNING = ("balance_after_nanos", "spent_after_nanos")
NANOS, NO_SEAL = 1_000_000_000, "0" * 64

# What a value must look like. Nothing of a file is used, or printed but as a quotation, before it was held against these.
ONE_UP, WHOLE, NUMBER, WORD = "[1-9][0-9]{0,18}", "0|[1-9][0-9]{0,18}", "0|-?[1-9][0-9]{0,18}", "[a-z_:]{1,40}"
ACCOUNT, DIGEST, TEXT = "[0-9a-f]{32}", "[0-9a-f]{64}", "[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,400}"
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
ENTRY = {"id": ONE_UP, "seq": ONE_UP, "kind": WORD, "book": WORD, "amount_nanos": NUMBER, "balance_after_nanos": NUMBER,
    "spent_after_nanos": WHOLE, "reverses": f"({ONE_UP})?", "occurred_at": INSTANT, "created_at": INSTANT, "source": TEXT}  # fmt: skip
FIELDS = tuple(ENTRY)
EDGE = {"seq": WHOLE, "balance_after_nanos": NUMBER, "spent_after_nanos": WHOLE, "occurred_at": f"({INSTANT})?",
    "created_at": f"({INSTANT})?", "source": f"account:{ACCOUNT}", "link": DIGEST}  # fmt: skip
RECORDS = {"opening": EDGE, "entry": {**ENTRY, "link": DIGEST}, "closing": {**EDGE, "count": WHOLE},
    "total": {"kind": WORD, "amount_nanos": NUMBER, "count": WHOLE}}  # fmt: skip
FROM_0, FROM_1 = range(2**63), range(1, 2**63)
SEAL = {"number": FROM_1, "previous": DIGEST, "root": DIGEST, "checkpoints": FROM_1, "entries": FROM_0, "sealed_at": INSTANT,
    "digest": DIGEST}  # fmt: skip
PROOF = {"account": ACCOUNT, "entry": ENTRY, "link_before": DIGEST, "link": DIGEST, "following": [DIGEST],
    "checkpoint": {"seq": FROM_1, "link": DIGEST, "position": FROM_0}, "path": [DIGEST], "seal": SEAL,
    "newest": {"number": FROM_1, "digest": DIGEST}}  # fmt: skip
SEALS = {"items": [SEAL]}
Cells = Dict[str, str]  # noqa: UP006  A record by its columns, checked, and its first `line` in the file.


class Wrong(Exception):
    """Something does not agree: where, and what."""


class Sums(NamedTuple):
    """Where the statement is: after which seq, on which line, with which sums and link."""

    line: int
    seq: int
    balance: int
    spent: int
    link: bytes
    created_at: str


class Step(NamedTuple):
    """What a proof says of one entry: its digest, and the link after it."""

    digest: bytes
    link: bytes
    proof: Proof


def hash_of(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def canonical(cells: list[str]) -> bytes:
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def entry_digest(cells: dict[str, str]) -> bytes:
    return hash_of(canonical([cells[name] for name in FIELDS]))


def seal_digest(seal: dict[str, Any]) -> bytes:
    names = ("number", "previous", "root", "checkpoints", "entries", "sealed_at")
    return hash_of(canonical(["seal", *(str(seal[name]) for name in names)]))


def root_over(leaf: bytes, position: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a leaf and the nodes beside its way up lead to; None where the path has another length than such a tree's."""
    left, node = list(path), leaf
    while size > 1:
        if position % 2 == 1 or position + 1 < size:
            if not left:
                return None
            beside = left.pop(0)
            node = hash_of(b"\x01", beside, node) if position % 2 == 1 else hash_of(b"\x01", node, beside)
        position, size = position // 2, (size + 1) // 2
    return None if left else node


class Proof:
    """A proof whose inside agrees: from `entry` by links to a checkpoint, by a path to a root, by a header to a digest."""

    def __init__(self, name: str, said: dict[str, Any]) -> None:
        self.name, self.account, self.entry = name, said["account"], said["entry"]
        self.seq, self.created_at = int(self.entry["seq"]), self.entry["created_at"]
        self.link_before, self.link = bytes.fromhex(said["link_before"]), bytes.fromhex(said["link"])
        self.seal, self.newest = said["seal"], said["newest"]
        amount, balance, spent = (int(self.entry[name]) for name in ("amount_nanos", *RUNNING))
        self.before, self.after = (balance - amount, spent - max(-amount, 0)), (balance, spent)
        self.steps = [(self.seq, Step(entry_digest(self.entry), self.link, self))]
        for seq, digest in enumerate(map(bytes.fromhex, said["following"]), self.seq + 1):
            self.steps.append((seq, Step(digest, hash_of(self.steps[-1][1].link, digest), self)))
        self._follow(said["checkpoint"], [bytes.fromhex(node) for node in said["path"]])

    def _follow(self, checkpoint: dict[str, Any], path: list[bytes]) -> None:
        end, last = self.steps[-1][0], self.steps[-1][1].link.hex()
        leaf = hash_of(b"\x00", canonical([self.account, str(end), last]))
        position, size = checkpoint["position"], self.seal["checkpoints"]
        root = root_over(leaf, position, size, path) if position < size else None
        for what, holds in (
            ("its link is not that of its entry and the link before", hash_of(self.link_before, entry_digest(self.entry)) == self.link),
            ("its entry does not lead to its checkpoint", (end, last) == (checkpoint["seq"], checkpoint["link"])),
            ("its path does not lead to the root of its seal", root is not None and root.hex() == self.seal["root"]),
            ("the newest seal is older than its own", self.newest["number"] >= self.seal["number"]),
        ):
            if not holds:
                raise Wrong(f"{self.name}: entry seq {self.seq}: {what}")


def check_seals(listed: list[tuple[str, dict[str, Any]]], proofs: list[Proof]) -> dict[int, str]:
    """The digest of each seal that a file has in full: it is its own, no other file says another one, and it follows the one before."""
    seals: dict[int, dict[str, Any]] = {}
    for name, seal in [*listed, *((proof.name, proof.seal) for proof in proofs)]:
        if seal_digest(seal).hex() != seal["digest"]:
            raise Wrong(f"{name}: seal {seal['number']}: its digest is not its own")
        if seals.setdefault(seal["number"], seal) != seal:
            raise Wrong(f"{name}: seal {seal['number']} is not the same as in another file")
    digests = {0: NO_SEAL, **{number: str(seal["digest"]) for number, seal in seals.items()}}
    for number, seal in sorted(seals.items()):
        if digests.get(number - 1, seal["previous"]) != seal["previous"]:
            raise Wrong(f"seal {number} does not follow seal {number - 1}")
    for proof in proofs:
        if digests.get(proof.newest["number"], proof.newest["digest"]) != proof.newest["digest"]:
            raise Wrong(f"{proof.name}: the newest seal that it names is another one elsewhere")
    return digests


def steps_of(proofs: list[Proof]) -> dict[int, Step]:
    """What proofs say of each entry. They are of one ledger: none may deny what another one says."""
    steps: dict[int, Step] = {}
    for seq, step in [each for proof in proofs for each in proof.steps]:
        if steps.setdefault(seq, step).link != step.link:
            raise Wrong(f"{step.proof.name}: {steps[seq].proof.name} proves another entry seq {seq}")
    for proof in proofs:
        if proof.seq - 1 in steps and steps[proof.seq - 1].link != proof.link_before:
            raise Wrong(f"{proof.name}: {steps[proof.seq - 1].proof.name} proves another entry seq {proof.seq - 1}")
    return steps


class Statement:
    """Reads a statement line by line; what it remembers does not grow with it, but with the proofs."""

    def __init__(self, name: str, proofs: list[Proof]) -> None:
        self.name, self.proofs = name, proofs
        self.at, self.steps = {proof.seq: proof for proof in proofs}, steps_of(proofs)
        self.sums = Sums(0, 0, 0, 0, b"", "")
        self.account = self.since = self.until = ""
        self.kinds: dict[str, tuple[int, int]] = {}
        # The last entry that agrees with a proof, by its seq (0: none) and line; the seq of the opening row; whose seal covers all of it.
        self.proven = self.proven_line = self.begin = 0
        self.by: Proof | None = None

    def check(self) -> None:
        with Path(self.name).open(encoding="utf-8", newline="") as file:
            lines = self._lines(csv.reader(file, strict=True))
            self._open(next(lines, None))
            self._totals(lines, self._entries(lines))

    def _lines(self, rows: Any) -> Iterator[Cells]:  # noqa: ANN401  The csv module's reader has no public type.
        number = 1
        for row in rows:
            if number == 1:
                if tuple(row) != COLUMNS:
                    self._wrong({"line": "1"}, "the first line does not name the columns of a statement")
            elif len(row) != len(COLUMNS):
                self._wrong({"line": str(number)}, f"it has {len(row)} cells instead of {len(COLUMNS)}")
            else:
                yield self._checked({"line": str(number), **dict(zip(COLUMNS, row))})
            number = rows.line_num + 1

    def _checked(self, cells: Cells) -> Cells:
        """What holds for a record by itself: known, its cells filled or empty as they should be, dollars equal to nanos."""
        shapes = RECORDS.get(cells["record"])
        if shapes is None:
            self._wrong(cells, f"there is no record {cells['record']!a}")
        for name in COLUMNS[1:]:
            if not name.endswith("_usd") and not re.fullmatch(shapes.get(name, ""), cells[name]):
                self._wrong(cells, f"{name} is {cells[name]!a}, which no such record has there")
        for dollars, nanos in DOLLARS:
            if cells[dollars] != (in_dollars(int(cells[nanos])) if nanos in shapes else ""):
                self._wrong(cells, f"{dollars} is {cells[dollars]!a} and {nanos} {cells[nanos]!a}")
        return cells

    def _open(self, cells: Cells | None) -> None:
        if cells is None or cells["record"] != "opening":
            self._wrong(cells or {"line": "2"}, "the statement does not begin with its opening row")
        self.sums = self._sums(cells)
        self.begin, self.since, self.until = self.sums.seq, cells["occurred_at"], cells["created_at"]
        self.account = cells["source"].partition(":")[2]
        begin = hash_of(f"account:{self.account}".encode())
        if self.begin == 0 and (self.sums.link, self.sums.balance, self.sums.spent) != (begin, 0, 0):
            self._wrong(cells, f"an account begins with 0 and the link {begin.hex()}")
        if self.begin > 0 and not self.since:
            self._wrong(cells, "a period without a beginning begins with seq 0")
        self._confirm_opening(cells, self.at.get(self.begin), self.at.get(self.begin + 1))

    def _confirm_opening(self, cells: Cells, last: Proof | None, first: Proof | None) -> None:
        """By the proofs of the last entry before the period, and of the first one in it or after it."""
        step = self.steps.get(self.begin)
        for each in self.proofs:
            if each.account != self.account:
                raise Wrong(f"{each.name}: it is of account {each.account}, the statement of account {self.account}")
            if each.seq <= self.begin and each.created_at >= self.since:
                self._wrong(cells, f"seq {each.seq}, an entry of the period by {each.name}, is missing behind it")
        for proof, link in [*([(step.proof, step.link)] if step else []), *([(first, first.link_before)] if first else [])]:
            if link != self.sums.link:
                self._wrong(cells, f"{proof.name} proves another link here")
        for proof, sums in [*([(last, last.after)] if last else []), *([(first, first.before)] if first else [])]:
            if sums != (self.sums.balance, self.sums.spent):
                self._wrong(cells, f"{proof.name} proves another balance here")
            self.by = proof

    def _entries(self, lines: Iterator[Cells]) -> Cells:
        cells = next(lines, None)
        while cells is not None and cells["record"] == "entry":
            self._follow(cells)
            cells = next(lines, None)
        return self._close(cells or {"line": str(self.sums.line + 1), "record": ""})

    def _follow(self, cells: Cells) -> None:
        before, now, amount = self.sums, self._sums(cells), int(cells["amount_nanos"])
        if now.seq != before.seq + 1:
            self._wrong(cells, f"seq {before.seq + 1} must follow seq {before.seq}")
        if now.balance != before.balance + amount:
            self._wrong(cells, f"balance_after_nanos must be {before.balance + amount}, the one before and the amount")
        if now.spent != before.spent + max(-amount, 0):
            self._wrong(cells, f"spent_after_nanos must be {before.spent + max(-amount, 0)}")
        if now.link != hash_of(before.link, entry_digest(cells)):
            self._wrong(cells, f"its cells and the link of line {before.line} do not lead to its link")
        self._confirm(cells, now.seq, now.link)
        if now.created_at < max(before.created_at, self.since) or (self.until and now.created_at >= self.until):
            self._wrong(cells, "created_at is before the line above, or outside of the period")
        count, moved = self.kinds.get(cells["kind"], (0, 0))
        self.kinds[cells["kind"]] = count + 1, moved + amount
        self.sums = now

    def _confirm(self, cells: Cells, seq: int, link: bytes) -> None:
        """Compare a line with the proofs that speak of it."""
        proof, step = self.at.get(seq), self.steps.get(seq)
        if proof is not None and cells != (proven := {**cells, **proof.entry}):
            name = next(name for name in FIELDS if cells[name] != proven[name])
            what = f"{name} is {cells[name]!a}, {proof.name} proves {proven[name]!a}"
            if name in RUNNING:
                self._wrong_before(cells, seq, what)
            self._wrong(cells, what)
        if step is None:
            return
        if step.digest != entry_digest(cells):
            self._wrong(cells, f"it is not the entry that {step.proof.name} proves to be there")
        if step.link != link:
            self._wrong_before(cells, seq, f"{step.proof.name} proves another link here")
        self.proven, self.proven_line, self.by = seq, int(cells["line"]), step.proof

    def _wrong_before(self, cells: Cells, seq: int, what: str) -> NoReturn:
        """What the line says for itself is right, and what leads to it is not: the lie is behind the last line that was proven."""
        last, above = (self.proven, self.proven_line) if self.proven else (self.begin, 1 if self.begin else 2)
        lines = f"one of lines {above + 1} to {int(cells['line']) - 1} (seq {last + 1} to {seq - 1})"
        self._wrong(cells, f"{what}: {lines if seq > last + 1 else 'the opening row, line 2,'} is not what was sealed")

    def _close(self, cells: Cells) -> Cells:
        last = self.sums.seq
        if cells["record"] != "closing":
            self._wrong(cells, "the closing row must follow the entries")
        if (cells["occurred_at"], cells["created_at"], cells["source"]) != (self.since, self.until, f"account:{self.account}"):
            self._wrong(cells, "account or period are not those of the opening row, line 2")
        if self._sums(cells)[1:5] != self.sums[1:5]:
            self._wrong(cells, f"seq, balance, spent or link are not those of line {self.sums.line}")
        if int(cells["count"]) != last - self.begin:
            self._wrong(cells, f"the statement has {last - self.begin} entries")
        for proof in self.proofs:
            if proof.seq > last and proof.created_at < (self.until or self.since):
                self._wrong(cells, f"seq {proof.seq}, an entry of the period by {proof.name}, is missing before")
        after = self.at.get(last + 1)
        if after is not None:
            if after.link_before != self.sums.link:
                self._wrong_before(cells, last + 1, f"{after.name} proves another link here")
            self.proven, self.by = (last if last > self.begin else 0), after
        return cells

    def _totals(self, lines: Iterator[Cells], closing: Cells) -> None:
        totals = sorted(self.kinds.items())
        totals.append(("all", (sum(count for _, (count, _) in totals), sum(moved for _, (_, moved) in totals))))
        for place, (kind, (count, nanos)) in enumerate(totals, int(closing["line"]) + 1):
            cells = next(lines, None) or {"line": str(place), "record": "", "kind": ""}
            if (cells["record"], cells["kind"]) != ("total", kind):
                self._wrong(cells, f"the total of {kind} must be here")
            if (cells["count"], cells["amount_nanos"]) != (str(count), str(nanos)):
                self._wrong(cells, f"the total of {kind} must be {count} entries and {nanos} nanos")
        for cells in lines:
            self._wrong(cells, "nothing may follow the last total")

    def open_questions(self) -> Iterator[str]:
        """What no proof has shown: the entries, what stood before them, and whether the period has more of them at either end."""
        begin, last = self.begin, self.sums.seq
        if self.proven < last > begin:
            yield f"seq {max(begin, self.proven) + 1} to {last} agree with themselves only; prove seq {last}."
        if 0 < begin == last and not (begin in self.at or begin + 1 in self.at):
            yield f"the opening and closing sums, which no entry shows; prove seq {begin}."
        if begin > 0 and begin not in self.at:
            yield f"that the period has no entry before seq {begin + 1}: all before it is taken on trust; prove seq {begin}."
        if not self.until:
            yield f"that nothing was booked after seq {last} when the statement was made: its period has no end."
        elif last + 1 not in self.at:
            yield f"that the period has no entry after seq {last}; prove seq {last + 1}, if there is one."

    def _sums(self, cells: Cells) -> Sums:
        line, seq, balance, spent = (int(cells[name]) for name in ("line", "seq", *RUNNING))
        return Sums(line, seq, balance, spent, bytes.fromhex(cells["link"]), cells["created_at"] if cells["record"] == "entry" else "")

    def _wrong(self, cells: Cells, what: str) -> NoReturn:
        seq = f", seq {cells['seq']}" if re.fullmatch(ONE_UP, cells.get("seq", "")) else ""
        raise Wrong(f"{self.name}: line {cells['line']}{seq}: {what}")


def in_dollars(nanos: int) -> str:
    """Exact dollars, with 2 to 9 decimals."""
    dollars, rest = divmod(abs(nanos), NANOS)
    return f"{'-' if nanos < 0 else ''}{dollars}.{str(rest).zfill(9).rstrip('0').ljust(2, '0')}"


def shaped(said: object, shape: Any, where: str) -> Any:  # noqa: ANN401  JSON.
    """What a file says, where it has that shape; what the shape does not name is left out."""
    if isinstance(shape, dict) and isinstance(said, dict):
        return {name: shaped(said.get(name), inner, f"{where}: {name}") for name, inner in shape.items()}
    if isinstance(shape, list) and isinstance(said, list):
        return [shaped(each, shape[0], where) for each in said]
    is_number = isinstance(shape, range) and type(said) is int and said in shape
    if not is_number and not (isinstance(shape, str) and isinstance(said, str) and re.fullmatch(shape, said)):
        raise ValueError(f"{where} is missing, or nothing that can be there")
    return said


def read_json(name: str) -> dict[str, Any]:
    said = json.loads(Path(name).read_text(encoding="utf-8"))
    if not isinstance(said, dict) or ("items" in said) == ("entry" in said):
        raise ValueError(f"{name} is neither a proof nor a list of seals")
    return dict(shaped(said, PROOF if "entry" in said else SEALS, name))


def run(statement: str, others: list[str]) -> Iterator[str]:
    read = [(name, read_json(name)) for name in others]
    proofs = [Proof(name, said) for name, said in read if "entry" in said]
    digests = check_seals([(name, seal) for name, said in read for seal in said.get("items", [])], proofs)
    checked = Statement(statement, proofs)
    checked.check()
    sums, period = checked.sums, f"from {checked.since or 'the beginning'} to {checked.until or 'when it was made'}"
    closing = f"{sums.seq - checked.begin} entries, closing {in_dollars(sums.balance)} USD"
    yield f"OK: {statement}: account {checked.account}, {period}, {closing}"
    if checked.proven:
        yield f"Proven: seq {checked.begin + 1} to {checked.proven} are what was sealed, if the first seal below is the one that was kept."
    elif checked.by:
        yield f"Proven: the opening row, after seq {checked.begin}, is what was sealed, if the first seal below is the one that was kept."
    yield from (f"Not proven: {what}" for what in checked.open_questions())
    # The seal that covers all that is proven, and those chained on to it: an earlier one, or one that is just named, says nothing.
    number = checked.by.seal["number"] if checked.by else 0
    while number and number in digests:
        yield f"Seal {number}: {digests[number]}"
        number += 1


def main(arguments: list[str]) -> int:
    code, said = 2, (__doc__ or "").splitlines()
    if arguments and not arguments[0].startswith("-"):
        try:
            code, said = 0, list(run(arguments[0], arguments[1:]))
        except Wrong as wrong:
            code, said = 1, [f"WRONG: {wrong}"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError, csv.Error) as error:
            code, said = 2, [f"NOT CHECKED: {type(error).__name__}: {error}"]
    # One line each, whatever is in it: no file writes lines of its own, or moves the cursor.
    plain = ("".join(each if " " <= each <= "~" else ascii(each)[1:-1] for each in line) for line in said)
    sys.stdout.write("".join(f"{line}\n" for line in plain))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
