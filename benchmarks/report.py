"""What is printed."""

import os
import platform
import time
from pathlib import Path
from statistics import median

from django.db import connection

from benchmarks.counter import Counted
from benchmarks.proof import prove
from benchmarks.rows import Pair, Row
from benchmarks.sample import Sample
from benchmarks.servers import Servers
from benchmarks.stamping import stamp
from benchmarks.world import World
from core import clock
from credits.services.sealing import seal_ledger


def machine() -> str:
    """The machine and the database, in one line."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync'), current_setting('shared_buffers')")
        version, fsync, buffers = cursor.fetchone()
    cpu = names[0] if names else platform.machine()
    return (
        f"{cpu}, {os.cpu_count()} cores; PostgreSQL {version}, fsync {fsync}, shared_buffers {buffers}; Python {platform.python_version()}"
    )


def print_row(row: Row, pairs: list[Pair]) -> None:
    """Floor, product and their ratio: the median of the pairs, with the lowest and highest ratio beside it."""
    ratios = sorted(pair.ratio for pair in pairs)
    floor, product = median(pair.floor.rate for pair in pairs), median(pair.product.rate for pair in pairs)
    marks = "no bar" if row.bar is None else f"bar {row.bar:.2f}  aim {row.aim:.2f}"
    print(
        f"{row.number}: {row.name:<48} floor {floor:>8,.0f}/s  product {product:>8,.0f}/s  ratio {median(ratios):.2f}"
        f" ({ratios[0]:.2f}–{ratios[-1]:.2f})  {marks}",
        flush=True,
    )
    _print_requests("floor", row.per, [pair.floor for pair in pairs])
    _print_requests("product", row.per, [pair.product for pair in pairs])
    by_cpu, by_rest = median(pair.cpu_ratio for pair in pairs), median(pair.counted_ratio for pair in pairs)
    print(f"    ratio by CPU {by_cpu:.2f}; by rate, with the rest counted within the product's time, {by_rest:.2f}", flush=True)


def _print_counted(whose: str, all_counted: list[Counted]) -> None:
    """How much was counted while the product ran, and how fast the rest after it."""
    share, rate = median(one.share for one in all_counted), median(one.rate for one in all_counted)
    print(f"    {whose}, counting: {share:.0%} within the run, the rest after it by itself: {rate:,.0f} events/s", flush=True)


def _print_requests(whose: str, per: str, samples: list[Sample]) -> None:
    """Latencies, then what it cost."""
    for name in samples[0].latency:
        middle, late = (median(sample.latency[name][place] for sample in samples) for place in (0, 1))
        print(f"    {whose}, {name:<8} median {middle:6.1f} ms  99th percentile {late:6.1f} ms", flush=True)
    print_cost(whose, per, samples)


def print_cost(whose: str, per: str, samples: list[Sample]) -> None:
    """CPU by who used it, and what was counted, where a counter ran."""
    if samples[0].cpu:
        parts = {who: median(sample.cpu[who] for sample in samples) for who in samples[0].cpu}
        spelled = ", ".join(f"{who} {used:.2f}" for who, used in parts.items())
        print(f"    {whose}, CPU for {per}: {spelled} ms, together {sum(parts.values()):.2f}", flush=True)
    if counted := [sample.counted for sample in samples if sample.counted]:
        _print_counted(whose, counted)


def print_proof(world: World, servers: Servers, *, entries: int) -> None:
    """Build a large ledger, seal it, prove it: entries a second, the slowest checks, memory."""
    started = time.perf_counter()
    stored = stamp(world, servers, entries=entries)
    built = time.perf_counter()
    sealed = seal_ledger(now=clock.now())
    seconds = time.perf_counter() - built
    print(
        f"{stored:,} entries: built in {built - started:.0f} s, sealed in {seconds:.0f} s ({sealed} seals)",
        flush=True,
    )
    proof = prove()
    print(
        f"verify_ledger: {proof.entries:,} entries in {proof.seconds:.1f} s, {proof.entries / proof.seconds:,.0f} entries/s;"
        f" peak {proof.peak_mib:.0f} MiB, {proof.start_mib:.0f} of them before it began",
        flush=True,
    )
    for name, took in proof.slowest:
        print(f"    {took:6.1f} s  {name}", flush=True)
    if proof.discrepancies:
        raise SystemExit("\n".join(["the books disagree:", *proof.discrepancies]))
