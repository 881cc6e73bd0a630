"""The invariants of payments as queries: each finds what disagrees, none repairs."""

from pathlib import Path
from typing import Final

from core.verification import Check, sql_checks

CHECKS: Final[tuple[Check, ...]] = sql_checks(Path(__file__).resolve().parent / "sql" / "checks")
