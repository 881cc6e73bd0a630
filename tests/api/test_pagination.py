"""Pages: caps are refusals, cursors belong to one account and one list."""

import pytest

from core.api.pagination import Page, decode_cursor, encode_cursor, read_page
from core.api.times import iso_z, parse_instant
from core.errors import InvalidInput


def test_a_page_has_defaults() -> None:
    assert read_page({}, default=20) == Page(limit=20, offset=0)
    assert read_page({"limit": "", "offset": ""}, default=20) == Page(limit=20, offset=0)
    assert read_page({"limit": "100", "offset": "7"}, default=20) == Page(limit=100, offset=7)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "101"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "\u0661"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "10001"}, "offset"),
        ({"offset": "9" * 19}, "offset"),
        ({"offset": "9" * 5000}, "offset"),
    ],
)
def test_what_is_beyond_a_cap_is_refused_and_never_clamped(query: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_page(query, default=20, offset_maximum=10_000)
    assert [error.field for error in caught.value.errors] == [field]


def test_a_cursor_comes_back_as_it_went() -> None:
    cursor = encode_cursor((12, "a:b"), account_id=1, endpoint="usage/recent")

    assert decode_cursor(cursor, account_id=1, endpoint="usage/recent") == (12, "a:b")


@pytest.mark.parametrize("cursor", ["", "x", "W10:forged", "\x00", "é" * 10, "W" * 10_000])
def test_a_forged_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_cursor(cursor, account_id=1, endpoint="usage/recent")
    assert caught.value.stable_code == "invalid_cursor"


@pytest.mark.parametrize(("account_id", "endpoint"), [(2, "usage/recent"), (1, "ledger")])
def test_a_foreign_cursor_is_refused(account_id: int, endpoint: str) -> None:
    cursor = encode_cursor((12,), account_id=1, endpoint="usage/recent")

    with pytest.raises(InvalidInput):
        decode_cursor(cursor, account_id=account_id, endpoint=endpoint)


@pytest.mark.parametrize("text", ["2026-01-31T09:00:00Z", "2026-01-31T09:00:00.000001Z"])
def test_instants_are_written_in_utc(text: str) -> None:
    assert iso_z(parse_instant(text, field="from")) == text


def test_an_instant_with_an_offset_is_the_same_instant() -> None:
    assert iso_z(parse_instant("2026-01-31T10:00:00+01:00", field="from")) == "2026-01-31T09:00:00Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-31T00:00:00Z", "0001-01-01T00:00:00+23:59", "\x00"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_instant(text, field="from")
