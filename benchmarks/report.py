"""What is printed."""

import os
import platform
from pathlib import Path
from statistics import median

from django.db import connection

from benchmarks.rows import Pair, Row


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
    ratios = sorted(pair.product / pair.floor for pair in pairs)
    floor, product = median(pair.floor for pair in pairs), median(pair.product for pair in pairs)
    print(
        f"{row.name:<48} floor {floor:>8,.0f}/s  product {product:>8,.0f}/s  ratio {median(ratios):.2f}"
        f" ({ratios[0]:.2f}–{ratios[-1]:.2f})  bar {row.bar:.2f}  aim {row.aim:.2f}",
        flush=True,
    )
