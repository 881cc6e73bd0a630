"""`make bench`: prints each row of the budget table that the product has, floor and product interleaved, the median of the pairs."""

import argparse
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_platform.settings")
os.environ.setdefault("LOG_LEVEL", "WARNING")

import django

django.setup()

from benchmarks.large import main as large  # noqa: E402 - Django must be set up before models are imported
from benchmarks.large import steady_ingest  # noqa: E402
from benchmarks.memory import print_memory  # noqa: E402
from benchmarks.report import machine, print_proof, print_row  # noqa: E402
from benchmarks.rows import MEMORY, PROOF, ROWS, measure  # noqa: E402
from benchmarks.servers import running_servers  # noqa: E402
from benchmarks.world import World  # noqa: E402


def main() -> None:
    """Build accounts and prices, start a web server of two workers, measure every row."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=")
    parser.add_argument("--pairs", type=int, default=5, help="floor and product runs of each row")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each run")
    parser.add_argument("--row", type=int, help="only the row of that number, see benchmarks/README.md")
    parser.add_argument("--minutes", type=float, default=1.0, help="of ingest for the workers' memory (row 7); 10 is the budget's")
    parser.add_argument("--entries", type=int, default=1_000_000, help="how many are added for the proof; 0 leaves it out")
    options = parser.parse_args()
    print(machine(), flush=True)
    world = World.build()
    with running_servers() as servers:
        for row in ROWS:
            if options.row in (None, row.number):
                print_row(row, measure(row, world, servers, pairs=options.pairs, seconds=options.seconds))
        if options.entries and options.row in (None, PROOF):
            print_proof(world, servers, entries=options.entries)
        if options.minutes and options.row in (None, MEMORY):
            print_memory(servers.product.pid, options.minutes, steady_ingest(world, servers.product))


if __name__ == "__main__":
    if sys.argv[1:2] == ["large"]:
        large(sys.argv[2:])
    else:
        main()
