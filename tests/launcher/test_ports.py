"""Ports: the wanted one, or the next that is free."""

import socket

from launcher import ports


def listener() -> socket.socket:
    server = socket.socket()
    server.bind((ports.HOST, 0))
    server.listen()
    return server


def test_a_port_with_a_listener_is_taken() -> None:
    with listener() as server:
        assert not ports.is_free(server.getsockname()[1])


def test_a_free_port_is_taken_as_it_is() -> None:
    wanted = ports.any_free()
    assert ports.first_free_from(wanted) == wanted


def test_a_taken_port_gives_way_to_a_later_one() -> None:
    with listener() as server:
        taken = server.getsockname()[1]
        found = ports.first_free_from(taken)
        assert found != taken
        assert ports.is_free(found)
