"""The result of a shadow run in a few words, the same in the admin and on the command line."""

from typing import Any

from core.money import usd_signed


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a word and its value; amounts in exact dollars."""
    margin = result["margin"]
    of_each = " and ".join("–" if nanos is None else usd_signed(nanos) for nanos in (result["p50_nanos"], result["p95_nanos"]))
    return [
        ("Replayed", f"{result['events']:,} events of {result['customers']:,} customers"),
        ("Left out, priced by their sender", f"{result['events_by_sender']:,} events"),
        ("Revenue", f"{usd_signed(result['before_nanos'])} → {usd_signed(result['after_nanos'])}"),
        ("Change", change_words(result)),
        ("Change per customer, p50 and p95", of_each),
        (f"Margin of {margin['events']:,} events", f"{usd_signed(margin['before_nanos'])} → {usd_signed(margin['after_nanos'])}"),
        ("Would have run dry", f"{result['dry']['customers']:,} customers"),
        ("Out of range, left as they were", f"{result['out_of_range']['events']:,} events"),
    ]


def change_words(result: dict[str, Any]) -> str:
    """By how much revenue would have changed, and by how many per cent of what it was."""
    nanos, bp = result["change_nanos"], result["change_bp"]
    if bp is None:
        return usd_signed(nanos)
    return f"{usd_signed(nanos)} ({'-' if bp < 0 else '+'}{abs(bp) // 100}.{abs(bp) % 100:02d} %)"
