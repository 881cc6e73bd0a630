"""Ports on 127.0.0.1: a free one, or the next free one after a wanted one."""

import socket

HOST = "127.0.0.1"
SEARCHED = 100


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A free port that the system picks."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def first_free_from(wanted: int) -> int:
    """The wanted port, or the next one above it that is free; any free one if a hundred in a row are taken."""
    last = min(wanted + SEARCHED, 65_535)
    return next((port for port in range(wanted, last + 1) if is_free(port)), 0) or any_free()
