"""Only credits writes or reads the ledger's tables by SQL; everybody else asks its services, selectors or views."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
OTHERS = ("accounts", "billing_platform", "core", "usage", "payments", "launcher")
LEDGER_TABLES = (
    "wallet",
    "ledger_entry",
    "credit_grant",
    "allocation",
    "hold",
    "spending_limit",
    "limit_bucket",
    "limit_notice",
    "ledger_seal",
    "ledger_checkpoint",
    "house_account",
    "house_entry",
)
NAMED = re.compile(rf"\b(from|join|into|update|table|only|lock|using|references|copy)\s+\"?({'|'.join(LEDGER_TABLES)})\b", re.IGNORECASE)


def named_tables(text: str) -> list[str]:
    """The ledger's tables that a text of SQL names, its comments left out."""
    return [found[2] for found in NAMED.finditer(re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL))]


def sql_outside_credits() -> Iterator[tuple[str, str]]:
    """Every SQL file, and every text in Python that is no docstring, with where it is."""
    for folder in OTHERS:
        for path in (CHECKOUT / folder).rglob("*.sql"):
            yield str(path.relative_to(CHECKOUT)), path.read_text(encoding="utf-8")
        for path in (CHECKOUT / folder).rglob("*.py"):
            for text in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
                yield f"{path.relative_to(CHECKOUT)}:{text.lineno}", str(text.value)


def texts_of(tree: ast.Module) -> list[ast.Constant]:
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in said)
    return [node for node in texts if isinstance(node.value, str)]


def test_no_sql_outside_credits_names_a_table_of_the_ledger() -> None:
    assert [(place, found) for place, text in sql_outside_credits() if (found := named_tables(text))] == []


def test_the_search_would_find_it() -> None:
    assert named_tables("SELECT 1 FROM\n  wallet w -- JOIN allocation") == ["wallet"]
    assert named_tables('update "ledger_entry" set x = 1; insert INTO credit_grant') == ["ledger_entry", "credit_grant"]
    assert named_tables("SELECT * FROM usage_charge JOIN wallets") == []
    credits_own = "".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "credits" / "sql").rglob("*.sql"))
    assert set(named_tables(credits_own)) == set(LEDGER_TABLES)
