"""
A large ledger in little time: the product writes the books of a few accounts, and they are copied to many others, row by row.

What must hold of one account's rows holds of their copies. Only ids change: the account's, and that of its one grant, wherever it is named.
"""

from typing import Final

from django.db import connection

from accounts.models import Account
from benchmarks.clients import Ask, Script, post, run
from benchmarks.gate import calls
from benchmarks.servers import Servers
from benchmarks.world import World
from core import clock
from usage.services.counting import count_waiting

PATTERNS: Final = 10
_EVENTS: Final = 60
"""Of one account, in batches; each is an entry."""
_CAPTURES: Final = 39
"""Of one account, each with a hold of its own. With the grant's own entry that makes a hundred."""
ENTRIES_EACH: Final = 1 + _EVENTS + _CAPTURES

_TABLES: Final[dict[str, dict[str, str]]] = {
    "wallet": {},
    "credit_grant": {},
    "ledger_entry": {"source_key": "CASE WHEN t.source_key IS NOT NULL THEN 'grant:' || m.grant_id || ':effective' END"},
    "allocation": {"grant_id": "m.grant_id"},
    "hold": {},
    "usage_event": {"id": "nextval('usage_event_block') * 8192 + t.id % 8192"},
    "usage_day": {},
    "usage_quarter": {},
    "usage_lifetime": {},
}
"""Each table that holds rows of an account, and what a copy has in place of a column; `account_id` and generated ids anyway."""


def stamp(world: World, servers: Servers, *, entries: int) -> int:
    """Add accounts with so many entries between them; how many entries there are then."""
    accounts = entries // ENTRIES_EACH
    patterns = world.more_accounts(PATTERNS)
    _spend(world, servers, patterns)
    copy_accounts(patterns, accounts - PATTERNS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SELECT count(*) FROM ledger_entry")
        (total,) = cursor.fetchone()
    return int(total)


def copy_accounts(patterns: list[tuple[int, str]], many: int) -> list[int]:
    """So many new accounts with the rows of these, in turn; their ids. A pattern has one grant."""
    copies = [account.pk for account in Account.objects.bulk_create([Account(name="copy") for _ in range(many)])]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE stamp (pattern bigint, copy bigint, grant_id bigint)")
        with cursor.copy("COPY stamp (pattern, copy) FROM STDIN") as lines:
            for number, copy in enumerate(copies):
                lines.write_row((patterns[number % len(patterns)][0], copy))
        cursor.execute("ANALYZE stamp")
        for table, instead in _TABLES.items():
            cursor.execute(_copying(table, instead))
            if table == "credit_grant":
                cursor.execute("UPDATE stamp SET grant_id = g.id FROM credit_grant g WHERE g.account_id = copy")
        cursor.execute("DROP TABLE stamp")
    return copies


def _copying(table: str, instead: dict[str, str]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER' AND is_identity = 'NO'",
            [table],
        )
        columns = [name for (name,) in cursor.fetchall()]
    chosen = {name: f't."{name}"' for name in columns} | {"account_id": "m.copy"} | instead
    names = ", ".join(f'"{name}"' for name in chosen)
    return f"INSERT INTO {table} ({names}) SELECT {', '.join(chosen.values())} FROM stamp m JOIN {table} t ON t.account_id = m.pattern"  # noqa: S608


def _spend(world: World, servers: Servers, patterns: list[tuple[int, str]]) -> None:
    """The product's own writing: a batch, then holds and captures, each account by itself. Then nothing waits to be counted."""
    run(servers.product.port, [_batch(world, account) for account in patterns], 60.0)
    run(servers.product.port, [_captures(world, account) for account in patterns], 600.0)
    count_waiting(has_time=clock.forever)


def _batch(world: World, account: tuple[int, str]) -> Script:
    yield Ask("batch", post("/v1/usage/events", world.body([account], _EVENTS), world.platform_key))


def _captures(world: World, account: tuple[int, str]) -> Script:
    steps = calls(world, [account])
    ask = next(steps)
    for _ in range(2 * _CAPTURES - 1):
        answer = yield ask
        ask = steps.send(answer)
    yield ask
