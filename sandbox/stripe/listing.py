"""Stripe's lists: newest first, a page at a time, from before or after an object."""

from collections.abc import Sequence

from sandbox.store import Filter, Json
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.routing import Call

BOUNDS = {"gt": "created > ?", "gte": "created >= ?", "lt": "created < ?", "lte": "created <= ?"}


def listed(call: Call, kind: str, filters: Sequence[Filter] = ()) -> Json:
    """The page of objects of a kind that a call asks for, among those that meet every filter."""
    limit = _limit(call)
    before = call.text("ending_before")
    if before is not None and call.text("starting_after") is not None:
        raise StripeError("You can only pass one of starting_after and ending_before.", param="starting_after")
    conditions = [*filters, Filter("json_extract(private, '$.deleted') IS ?", None), *_created(call), *_cursor(call, kind)]
    found = call.act.world.store.newest(kind, conditions, limit=limit + 1, oldest=before is not None)
    page = [record.body for record in found[:limit]]
    return {
        "object": "list",
        "data": page[::-1] if before is not None else page,
        "has_more": len(found) > limit,
        "url": call.path,
    }


def short(call: Call, everything: Sequence[Json]) -> Json:
    """A page of a list that is kept inside an object."""
    limit = _limit(call)
    ids = [each["id"] for each in everything]
    start = _index(ids, call.text("starting_after"), "starting_after") + 1 if call.text("starting_after") else 0
    return {
        "object": "list",
        "data": list(everything[start : start + limit]),
        "has_more": len(everything) > start + limit,
        "url": call.path,
    }


def whole(url: str, everything: Sequence[Json] = ()) -> Json:
    """A list that stands inside an object."""
    return {"object": "list", "data": list(everything), "has_more": False, "url": url}


def by(name: str, value: object) -> list[Filter]:
    """The objects whose field has this value; no condition if None."""
    return [] if value is None else [Filter(f"json_extract(body, '$.{name}') = ?", str(value))]


def _limit(call: Call) -> int:
    value = call.given.get("limit")
    return value if isinstance(value, int) else 10


def _created(call: Call) -> list[Filter]:
    return [Filter(BOUNDS[name], value) for name, value in call.record("created").items()]


def _cursor(call: Call, kind: str) -> list[Filter]:
    for param, sql in (("starting_after", "seq < ?"), ("ending_before", "seq > ?")):
        id_ = call.text(param)
        if id_ is not None:
            position = call.act.world.store.position(id_)
            if position is None:
                raise missing(kind, id_, param, 400)
            return [Filter(sql, position)]
    return []


def _index(ids: list[str], id_: str | None, param: str) -> int:
    if id_ not in ids:
        raise missing("item", str(id_), param, 400)
    return ids.index(id_)
