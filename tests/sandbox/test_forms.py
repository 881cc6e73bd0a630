"""Stripe's form encoding."""

import pytest

from sandbox.forms import DEPTH_MAX, BadForm, decode, in_order


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", {}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a=1&a=2", {"a": "2"}),
        ("a[b]=1&a[c][d]=2", {"a": {"b": "1", "c": {"d": "2"}}}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[0][b]=1&a[1][b]=2", {"a": {"0": {"b": "1"}, "1": {"b": "2"}}}),
        ("a%5Bb%5D=%C3%A9+%26", {"a": {"b": "é &"}}),
    ],
)
def test_a_form_is_read_as_nested_records(text: str, tree: object) -> None:
    assert decode(text) == tree


@pytest.mark.parametrize(
    "text", ["a[b", "a]=1", "[a]=1", "a[][b]=1", "a[b]=1&a=1", "a=1&a[b]=1", "a[]=1&a[b]=1", "a", "%ff=1", "&".join(["a=1"] * 2001)]
)
def test_what_is_no_such_form_is_refused(text: str) -> None:
    with pytest.raises(BadForm):
        decode(text)


def test_a_form_is_only_so_deep() -> None:
    assert decode("a" + "[b]" * (DEPTH_MAX - 1) + "=1")
    with pytest.raises(BadForm):
        decode("a" + "[b]" * DEPTH_MAX + "=1")


def test_indexes_make_a_list_in_their_order() -> None:
    assert in_order({"10": "c", "2": "b", "0": "a"}) == ["a", "b", "c"]
    assert in_order(["x"]) == ["x"]
    assert in_order({"0": "a", "b": "c"}) is None
    assert in_order("a") is None
