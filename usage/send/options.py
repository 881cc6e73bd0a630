"""What a person types."""

import argparse
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from usage.send.fields import PUBLIC_ID
from usage.send.layouts import LAYOUTS, Rules
from usage.send.posting import Patience, target_of
from usage.send.reading import STDIN

BATCH_MAX: Final = 5_000
KEY_VARIABLE: Final = "BILLING_KEY"
URL_VARIABLE: Final = "BILLING_URL"
_PATHS: Final = {
    "account": "whose call it was (else --account)",
    "key": "the platform's id of the API key that made the call",
    "model": "the model (else `model`)",
    "id": "the call's id (else the answer's)",
    "time": "when it happened (else `created` and its like)",
}


@dataclass(frozen=True)
class Options:
    """Everything that was asked for."""

    file: str
    url: str
    key: str
    rules: Rules
    patience: Patience
    batch: int
    first: int
    restart: bool
    dry_run: bool
    rejected: Path

    @property
    def target(self) -> str:
        """Where to, and how lines are read: a run goes on where another stopped only if both are the same."""
        read_by = hashlib.sha256(msgspec.json.encode(self.rules, order="sorted")).hexdigest()[:16]
        return f"{target_of(self.url)} {self.rules.layout} {read_by}"


def read_options(arguments: list[str]) -> Options:
    """Read them. Exits with 2 where they make no sense, as argparse does."""
    parser = _parser()
    said = parser.parse_args(arguments)
    key, url = said.key or os.environ.get(KEY_VARIABLE, ""), said.url or os.environ.get(URL_VARIABLE, "")
    try:
        rules = _rules(said)
        if not said.dry_run:
            target_of(url)
            _check_key(key)
    except (ValueError, OSError, msgspec.MsgspecError) as error:
        parser.error(str(error))
    if not 1 <= said.batch <= BATCH_MAX:
        parser.error(f"--batch is from 1 to {BATCH_MAX}")
    if said.first < 1:
        parser.error("--from is a line's number, from 1")
    if said.retries < 0 or said.backoff < 0 or said.timeout <= 0:
        parser.error("--retries, --backoff and --timeout are not negative")
    rejected = said.rejected or Path("stdin.rejected" if said.file == STDIN else f"{said.file}.rejected")
    patience = Patience(said.retries, said.backoff, said.timeout)
    return Options(said.file, url, key, rules, patience, said.batch, said.first, said.restart, said.dry_run, rejected)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m usage.send", description="Send logged calls of AI models as usage events.")
    parser.add_argument("file", metavar="FILE", help="JSON lines; .gz is unpacked; - is the standard input")
    parser.add_argument("--url", help=f"the platform's URL (or {URL_VARIABLE})")
    parser.add_argument("--key", help=f"a platform key with usage:write; better in {KEY_VARIABLE}, where no list of processes shows it")
    parser.add_argument("--layout", choices=LAYOUTS, default="native", help="what a line looks like (native)")
    parser.add_argument("--account", help="whose calls they are, unless --account-field says it (else the line's `account`)")
    for name, words in _PATHS.items():
        parser.add_argument(f"--{name}-field", metavar="PATH", help=f"dotted path of {words}")
    parser.add_argument("--map", type=Path, metavar="JSON", help='{"accounts": {…}, "keys": {…}, "models": {…}}: the log\'s names to ours')
    parser.add_argument("--make-ids", metavar="NAME", help="make ids for lines that have none, from this name, the line and its number")
    parser.add_argument("--use-cost", action="store_true", help="litellm: charge its response_cost instead of the price book's")
    parser.add_argument("--other-as-text", action="store_true", help="charge audio and image tokens as ordinary tokens")
    parser.add_argument("--charge-cache-hits", action="store_true", help="litellm: send calls that its own cache answered")
    parser.add_argument("--batch", type=int, default=1_000, help=f"events in one request, 1 to {BATCH_MAX} (1,000)")
    parser.add_argument("--from", type=int, dest="first", default=1, metavar="LINE", help="pass over the lines before this one")
    parser.add_argument("--restart", action="store_true", help="begin anew; what was sent before is a duplicate")
    parser.add_argument("--dry-run", action="store_true", help="convert and count, send nothing, write no file")
    parser.add_argument("--rejected", type=Path, metavar="FILE", help="add the lines that were not booked to this file (FILE.rejected)")
    parser.add_argument("--retries", type=int, default=10, help="tries of one batch beyond the first (10)")
    parser.add_argument("--backoff", type=float, default=0.5, help="seconds before the first of them, doubled each time (0.5)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for an answer (60)")
    return parser


def _rules(said: argparse.Namespace) -> Rules:
    if said.account is not None and PUBLIC_ID.fullmatch(said.account) is None:
        raise ValueError("--account is 32 hexadecimal characters")
    if said.use_cost and said.layout != "litellm":
        raise ValueError("--use-cost is for --layout litellm")
    maps: dict[str, Any] = {}
    if said.map is not None:
        maps = msgspec.json.decode(said.map.read_bytes(), type=dict[str, dict[str, str]])
        if unknown := sorted(set(maps) - {"accounts", "keys", "models"}):
            raise ValueError(f"{said.map} has no use for {unknown}")
    fields = {f"{name}_field": getattr(said, f"{name}_field") for name in _PATHS}
    flags = {name: getattr(said, name) for name in ("make_ids", "use_cost", "other_as_text", "charge_cache_hits")}
    return Rules(said.layout, said.account, **fields, **flags, **maps)


def _check_key(key: str) -> None:
    if not key:
        raise ValueError(f"a key is needed: {KEY_VARIABLE} or --key")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("the key has characters that no key has")  # It is not shown.
