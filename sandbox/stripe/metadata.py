"""Metadata: names and strings of the merchant's own, merged at each update."""

from collections.abc import Mapping


def merged(old: Mapping[str, str], given: object) -> dict[str, str]:
    """The metadata after an update: an empty value unsets its name, an empty string unsets all."""
    if not isinstance(given, Mapping):
        return dict(old)
    if given == {"": ""}:
        return {}
    return {name: value for name, value in {**old, **given}.items() if value != ""}
