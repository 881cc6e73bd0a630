"""
`python -m sandbox --port 12111 --data FILE`: serve until told to stop.

Environment: SANDBOX_API_KEY, the one key that the API takes; SANDBOX_WEBHOOK_SECRET, which signs what goes to --webhook-url.
"""

import argparse
import logging
import os
import signal
import sys
import threading

from sandbox.running import NotATestKey, running
from sandbox.server import NotLoopback
from sandbox.store import MEMORY, WrongFile


def main(arguments: list[str]) -> int:
    """Serve; 0 after a stop that was asked for, 2 if it cannot start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with running(
            api_key=os.environ.get("SANDBOX_API_KEY", ""),
            webhook_url=options.webhook_url,
            webhook_secret=os.environ.get("SANDBOX_WEBHOOK_SECRET") or None,
            data=options.data,
            host=options.host,
            port=options.port,
        ) as sandbox:
            sys.stdout.write(f"sandbox ready on {sandbox.base_url}\n")
            sys.stdout.flush()
            stop.wait()
    except (NotATestKey, NotLoopback, WrongFile, OSError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local Stripe: no money moves.")
    parser.add_argument("--port", type=int, default=12111, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--data", default=MEMORY, help="the file that keeps everything, or :memory:")
    parser.add_argument("--webhook-url", help="where every event is sent")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
