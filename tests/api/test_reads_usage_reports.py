"""Reports over HTTP, in each dialect's exact shape."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from accounts.models import Account
from core import clock
from core.zones import local_date, midnight
from tests import actors, factories
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.spending import adjust, price, report
from usage.models import UsageEvent
from usage.services.rebuilding import rebuild_rollups

USAGE: Final = "/api-account/user/usage"
STATS: Final = "/auth/account/usage"
SUMMARY: Final = "/auth/account/summary"
NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
ZERO: Final = {"requests": 0, "input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "cost": 0.0, "cost_str": "0.00"}


def history_path(account: Account) -> str:
    return f"/accounts/{account.public_id}/ai-gateway/billing/usage-history"


@pytest.fixture
def caller(alice: Person) -> Person:
    """Alice, with two priced models to call."""
    for code in ("gpt-4o", "gpt-4o-mini"):
        price(code, since=NOON - timedelta(days=100))
    return alice


def say(account: Account, *event_ids: str, now: datetime, **said: object) -> None:
    factories.end_of_transaction()
    report(account, *event_ids, now=now, **said)


def refund(event_id: str, nanos: int) -> None:
    """Give back some of what a call charged, as far as reports see of it."""
    UsageEvent.objects.filter(event_id=event_id).update(refunded_nanos=nanos)
    rebuild_rollups(reason="Tests.", now=clock.now())


def march(account: Account) -> None:
    """Five calls on two days: two models, one call failed, one was refunded whole and one in part."""
    tokens = {"output_tokens": 10, "cache_read_tokens": 4, "cache_write_tokens": 3, "reasoning_tokens": 2}
    say(account, "a", now=NOON, endpoint="/v1/chat", **tokens)
    say(account, "b", "c", now=NOON, endpoint="/v1/chat")
    say(account, "d", now=NOON + timedelta(days=2), model="gpt-4o-mini", input_tokens=4)
    say(account, "e", now=NOON + timedelta(days=2), status="failed", input_tokens=0)
    refund("b", 2_500_000)
    refund("c", 500_000)


# --- /api-account/user/usage


def test_usage_by_day_and_model_has_every_field_and_every_day(api: Api, caller: Person) -> None:
    march(caller.account)
    answer = api.get(f"{USAGE}?start_date=2026-03-10&end_date=2026-03-13", caller)
    # a: 2.5 + 12 x 0.01 + 4 x 0.00125 = 2.625 thousandths; b refunded; c 2.0; d 0.01.
    assert json.loads(answer.content) == {
        "start_date": "2026-03-10",
        "end_date": "2026-03-13",
        "currency": "USD",
        "total_requests": 5,
        "total_tokens": 3_023,
        "input_tokens": 3_004,
        "output_tokens": 10,
        "total_cost": 0.004635,
        "total_cost_str": "0.004635",
        "daily": [
            {
                "date": "2026-03-10",
                "requests": 3,
                "input_tokens": 3_000,
                "output_tokens": 10,
                "total_tokens": 3_019,
                "cost": 0.004625,
                "cost_str": "0.004625",
            },
            {"date": "2026-03-11"} | ZERO,
            {
                "date": "2026-03-12",
                "requests": 2,
                "input_tokens": 4,
                "output_tokens": 0,
                "total_tokens": 4,
                "cost": 0.00001,
                "cost_str": "0.00001",
            },
            {"date": "2026-03-13"} | ZERO,
        ],
        "models": [
            {
                "model_id": "gpt-4o",
                "model_name": "GPT-4O",
                "requests": 4,
                "input_tokens": 3_000,
                "output_tokens": 10,
                "total_tokens": 3_019,
                "cost": 0.004625,
                "cost_str": "0.004625",
            },
            {
                "model_id": "gpt-4o-mini",
                "model_name": "GPT-4O-MINI",
                "requests": 1,
                "input_tokens": 4,
                "output_tokens": 0,
                "total_tokens": 4,
                "cost": 0.00001,
                "cost_str": "0.00001",
            },
        ],
    }
    assert [type(answer.json()[name]) for name in ("total_requests", "total_cost", "total_cost_str")] == [int, float, str]


def test_models_stand_by_cost(api: Api, caller: Person) -> None:
    say(caller.account, "small", now=NOON, input_tokens=1)
    say(caller.account, "large", now=NOON, model="gpt-4o-mini")
    models = api.get(f"{USAGE}?start_date=2026-03-10&end_date=2026-03-10", caller).json()["models"]
    assert [model["model_id"] for model in models] == ["gpt-4o-mini", "gpt-4o"]


def test_an_empty_account_has_this_month_up_to_today_in_zeros(api: Api, alice: Person) -> None:
    answer = api.get(USAGE, alice).json()
    today = local_date("UTC", clock.now())
    assert (answer["start_date"], answer["end_date"]) == (today.replace(day=1).isoformat(), today.isoformat())
    assert answer["daily"] == [{"date": today.replace(day=number + 1).isoformat()} | ZERO for number in range(today.day)]
    assert (answer["models"], answer["total_cost"], answer["total_cost_str"], answer["total_requests"]) == ([], 0.0, "0.00", 0)


def test_what_is_left_out_follows_from_the_other_end(api: Api, alice: Person) -> None:
    answer = api.get(f"{USAGE}?end_date=2026-02-03", alice).json()
    assert (answer["start_date"], answer["end_date"], len(answer["daily"])) == ("2026-02-01", "2026-02-03", 3)
    first = (local_date("UTC", clock.now()) - timedelta(days=40)).isoformat()
    assert len(api.get(f"{USAGE}?start_date={first}&end_date=", alice).json()["daily"]) == 41


def test_today_is_the_accounts_own(api: Api, alice: Person) -> None:
    days = set()
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        Account.objects.filter(pk=alice.account.pk).update(zone=zone)
        answer = api.get(USAGE, alice).json()
        assert answer["end_date"] == local_date(zone, clock.now()).isoformat()
        days.add(answer["end_date"])
    assert len(days) == 2


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("start_date=yesterday", "invalid_datetime", "start_date"),
        ("start_date=2026-02-30", "invalid_datetime", "start_date"),
        ("end_date=20260301", "invalid_datetime", "end_date"),
        ("end_date=2026-W10-1", "invalid_datetime", "end_date"),
        ("end_date=2026-3-1", "invalid_datetime", "end_date"),
        ("end_date=2026-03-01T00:00:00Z", "invalid_datetime", "end_date"),
        ("end_date=%00", "invalid_datetime", "end_date"),
        ("start_date=2026-03-02&end_date=2026-03-01", "invalid_range", "start_date"),
        ("start_date=9999-12-31", "invalid_range", "start_date"),
        ("start_date=2025-01-01&end_date=2026-01-02", "out_of_range", "start_date"),
        ("start_date=0001-01-01&end_date=9999-12-31", "out_of_range", "start_date"),
    ],
)
def test_days_that_are_none_are_a_400(api: Api, alice: Person, query: str, code: str, field: str) -> None:
    answer = api.get(f"{USAGE}?{query}", alice)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [(error["code"], error["field"]) for error in answer.json()["errors"]] == [(code, field)]


def test_a_range_of_a_year_and_the_ends_of_the_calendar_are_answered(api: Api, alice: Person) -> None:
    year = api.get(f"{USAGE}?start_date=2025-01-01&end_date=2026-01-01", alice).json()
    assert len(year["daily"]) == 366
    for edge in ("0001-01-01", "9999-12-31"):
        assert api.get(f"{USAGE}?start_date={edge}&end_date={edge}", alice).json()["daily"] == [{"date": edge} | ZERO]
    assert "366 days" in api.get(f"{USAGE}?start_date=2025-01-01&end_date=2026-01-02", alice).json()["detail"]


# --- /auth/account/usage


def test_statistics_have_every_field(api: Api, caller: Person) -> None:
    march(caller.account)
    answer = api.get(f"{STATS}?from=2026-03-01&to=2026-03-31", caller)
    assert answer.json() == {
        "user_id": caller.user.pk,
        "period": "monthly",
        "total_requests": 5,
        "successful_requests": 4,
        "failed_requests": 1,
        "credits_consumed": 0.004635,
        "credits_consumed_str": "0.004635",
        "requests_by_endpoint": {"/v1/chat": 3, "not given": 2},
        "period_start": "2026-03-01T00:00:00Z",
        "period_end": "2026-04-01T00:00:00Z",
    }


def test_instants_are_counted_to_the_quarter_hour_and_the_answer_says_so(api: Api, caller: Person) -> None:
    for minutes in (-1, 0, 14, 15, 30):
        say(caller.account, f"call{minutes}", now=NOON + timedelta(minutes=minutes))
    answer = api.get(f"{STATS}?from=2026-03-10T12:03:00Z&to=2026-03-10T13:16:00%2B01:00", caller).json()
    assert (answer["total_requests"], answer["period_start"], answer["period_end"]) == (3, "2026-03-10T12:00:00Z", "2026-03-10T12:30:00Z")


@pytest.mark.parametrize("period", ["daily", "monthly", "yearly"])
def test_without_from_it_begins_with_the_period_in_the_accounts_zone(api: Api, caller: Person, period: str) -> None:
    Account.objects.filter(pk=caller.account.pk).update(zone="Asia/Kolkata")
    answer = api.get(f"{STATS}?period={period}", caller).json()
    today = local_date("Asia/Kolkata", clock.now())
    first = {"daily": today, "monthly": today.replace(day=1), "yearly": today.replace(month=1, day=1)}[period]
    start = datetime.fromisoformat(answer["period_start"])
    assert (answer["period"], start) == (period, midnight("Asia/Kolkata", first))
    assert answer["period_start"].endswith("18:30:00Z")
    assert timedelta(0) <= datetime.fromisoformat(answer["period_end"]) - clock.now() + timedelta(minutes=1) <= timedelta(minutes=16)


def test_the_same_days_have_the_same_numbers_on_every_screen(api: Api, caller: Person) -> None:
    now = clock.now()
    say(caller.account, "now", now=now)
    say(caller.account, "failed", now=now, status="failed", endpoint="/x")
    by_day, stats, summary = (api.get(path, caller).json() for path in (USAGE, STATS, SUMMARY))
    history = api.get(f"{history_path(caller.account)}?value_grouping_window=day", caller).json()["result"]["history"]
    assert by_day["total_requests"] == stats["total_requests"] == 2
    assert by_day["total_cost_str"] == stats["credits_consumed_str"] == "0.005"
    assert summary["usage_this_month"] == stats | {"period_end": summary["usage_this_month"]["period_end"]}
    assert sum(window["aggregated_value"] for window in history) == 0.5


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("period=weekly", "invalid_choice"),
        ("from=x", "invalid_datetime"),
        ("from=20260301", "invalid_datetime"),
        ("to=2026-W10-1", "invalid_datetime"),
        ("from=2026-03-02&to=2026-02-01", "invalid_range"),
        ("to=2020-01-01", "invalid_range"),
        ("from=2024-01-01&to=2026-01-01", "out_of_range"),
        ("from=0001-01-01", "out_of_range"),
        ("from=9999-12-31T23:59:59Z&to=9999-12-31T23:59:59Z", "out_of_range"),
        ("from=1999-12-31&to=2000-01-05", "out_of_range"),
    ],
)
def test_spans_that_are_none_are_a_400(api: Api, alice: Person, query: str, code: str) -> None:
    answer = api.get(f"{STATS}?{query}", alice)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_endpoints_beyond_a_hundred_are_told_together(api: Api, caller: Person) -> None:
    for number in range(103):
        say(caller.account, *(f"{number}-{each}" for each in range(2 if number < 100 else 1)), now=NOON, endpoint=f"/e/{number}")
    counts = api.get(f"{STATS}?from=2026-03-10&to=2026-03-10", caller).json()["requests_by_endpoint"]
    assert len(counts) == 101
    assert (counts["/e/7"], counts["all others"], sum(counts.values())) == (2, 3, 203)


# --- /auth/account/summary


def test_a_summary_has_every_field(api: Api, caller: Person) -> None:
    adjust(caller.account, 5_000_000_000)
    say(caller.account, "old", now=clock.now() - timedelta(days=80))
    say(caller.account, "new", now=clock.now())
    assert api.get(SUMMARY, caller).json()["last_login_at"] is None
    assert api.post("/auth/token", {"email": "alice@example.com", "password": actors.PASSWORD}).status_code == 200
    caller.user.refresh_from_db()
    answer = api.get(SUMMARY, caller).json()
    assert answer | {"credit_balance": {}, "usage_this_month": {}} == {
        "user_id": caller.user.pk,
        "email": "alice@example.com",
        "credit_balance": {},
        "subscription": None,
        "usage_this_month": {},
        "total_requests_all_time": 2,
        "account_created_at": shown(caller.account.created_at),
        "last_login_at": shown(caller.user.last_login),
    }
    assert answer["credit_balance"] == api.get("/auth/account/credits", caller).json()
    assert answer["usage_this_month"]["total_requests"] == 1


def shown(instant: datetime | None) -> str:
    assert instant is not None
    return instant.isoformat().replace("+00:00", "Z")


def test_a_summary_is_of_who_asks_and_for_a_key_of_the_owner(api: Api, cast: Cast) -> None:
    named = cast.alice.account.public_id
    viewer = api.get(SUMMARY, cast.bob, x_account=named).json()
    assert (viewer["user_id"], viewer["email"]) == (cast.bob.user.pk, "bob@example.com")
    assert viewer["credit_balance"]["user_id"] == viewer["usage_this_month"]["user_id"] == cast.bob.user.pk
    for answer in (api.get(SUMMARY, actors.customer_key(cast.alice)), api.get(f"{SUMMARY}?account={named}", actors.platform_key())):
        assert (answer.json()["user_id"], answer.json()["email"]) == (cast.alice.user.pk, "alice@example.com")


def test_an_empty_account_has_a_summary(api: Api, alice: Person) -> None:
    answer = api.get(SUMMARY, alice).json()
    assert (answer["total_requests_all_time"], answer["usage_this_month"]["requests_by_endpoint"]) == (0, {})


# --- …/ai-gateway/billing/usage-history


def millis(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000)


def history(api: Api, person: Person, window: str, since: object, until: object) -> Any:
    return api.get(f"{history_path(person.account)}?value_grouping_window={window}&start_time={since}&end_time={until}", person).json()


def test_a_history_is_in_cents_and_milliseconds(api: Api, caller: Person) -> None:
    march(caller.account)
    say(caller.account, "whole", now=NOON + timedelta(days=3), input_tokens=4_000_000)
    answer = history(api, caller, "day", millis(NOON), millis(NOON + timedelta(days=4)))
    assert answer == {
        "result": {
            "history": [
                {"id": f"day-{day}", "aggregated_value": cents, "start_time": millis(start), "end_time": millis(start + timedelta(days=1))}
                for day, cents, start in (
                    ("2026-03-10", 0.4625, datetime(2026, 3, 10, tzinfo=UTC)),
                    ("2026-03-12", 0.001, datetime(2026, 3, 12, tzinfo=UTC)),
                    ("2026-03-13", 1000, datetime(2026, 3, 13, tzinfo=UTC)),
                )
            ]
        },
        "success": True,
        "errors": [],
        "messages": [],
    }
    values = [window["aggregated_value"] for window in answer["result"]["history"]]
    assert [type(value) for value in values] == [float, float, int]


def test_a_window_has_the_same_id_however_it_is_asked_for(api: Api, caller: Person) -> None:
    say(caller.account, "one", now=NOON)
    wide = history(api, caller, "hour", millis(NOON - timedelta(days=9)), millis(NOON + timedelta(days=9)))["result"]["history"]
    narrow = history(api, caller, "hour", millis(NOON + timedelta(minutes=59)), millis(NOON + timedelta(minutes=60)))["result"]["history"]
    assert (
        wide
        == narrow
        == [{"id": "hour-2026-03-10T12:00:00Z", "aggregated_value": 0.25, "start_time": millis(NOON), "end_time": millis(NOON) + 3_600_000}]
    )


def test_floats_and_empty_texts_of_the_vendors_clients_are_read(api: Api, caller: Person) -> None:
    say(caller.account, "one", now=NOON)
    plain = history(api, caller, "day", millis(NOON), millis(NOON) + 1)
    assert len(plain["result"]["history"]) == 1
    assert history(api, caller, "day", float(millis(NOON)), f"{millis(NOON) + 1}.0") == plain
    say(caller.account, "two", now=clock.now())
    bare = api.get(f"{history_path(caller.account)}?value_grouping_window=day", caller).json()
    assert history(api, caller, "day", "", "") == bare
    assert len(bare["result"]["history"]) == 1


def test_the_vendors_prefix_and_an_empty_account_are_answered(api: Api, alice: Person) -> None:
    empty = {"result": {"history": []}, "success": True, "errors": [], "messages": []}
    for prefix in ("", "/client/v4"):
        for window in ("day", "hour"):
            assert api.get(f"{prefix}{history_path(alice.account)}?value_grouping_window={window}", alice).json() == empty


@pytest.mark.parametrize(
    "query",
    [
        "",
        "value_grouping_window=",
        "value_grouping_window=week",
        "value_grouping_window=day&start_time=yesterday",
        "value_grouping_window=day&start_time=-1",
        "value_grouping_window=day&start_time=nan",
        "value_grouping_window=day&start_time=1e12",
        "value_grouping_window=day&start_time=999999999999999",
        "value_grouping_window=day&end_time=253402300799999",
        "value_grouping_window=day&start_time=1773144000000&end_time=1773143999999",
        "value_grouping_window=day&start_time=0&end_time=1",
        "value_grouping_window=day&start_time=1700000000000&end_time=1773143999999",
        "value_grouping_window=hour&start_time=1770000000000&end_time=1773143999999",
    ],
)
def test_a_window_or_a_time_that_is_none_is_a_400_in_the_gateways_shape(api: Api, alice: Person, query: str) -> None:
    answer = api.get(f"{history_path(alice.account)}?{query}", alice)
    body = answer.json()
    assert (answer.status_code, body["result"], body["success"], body["messages"]) == (400, None, False, [])
    assert [set(error) for error in body["errors"]] == [{"code", "message"}]
    assert body["errors"][0]["code"] == 1400


# --- who may


def test_reports_are_read_with_their_scope_by_the_accounts_own_people(api: Api, cast: Cast) -> None:
    named = cast.alice.account.public_id
    usage_only = ["usage:read"]
    for path in (USAGE, STATS):
        assert api.get(path).status_code == 401
        assert api.get(path, actors.customer_key(cast.alice, ["billing:read"])).json()["code"] == "missing_scope"
        assert api.get(path, cast.charlie, x_account=named).status_code == 404
        assert api.get(f"{path}?account={named}", actors.customer_key(cast.charlie)).status_code == 404
        assert api.get(path, cast.bob, x_account=named).status_code == 200
        assert api.get(path, actors.customer_key(cast.alice, usage_only)).status_code == 200
        assert api.get(path, actors.platform_key(usage_only)).json()["code"] == "account_required"
        assert api.get(f"{path}?account={named}", actors.platform_key(usage_only)).status_code == 200
    for lacking in (["usage:read"], ["billing:read"]):
        assert api.get(SUMMARY, actors.customer_key(cast.alice, lacking)).json()["code"] == "missing_scope"
    path = f"{history_path(cast.alice.account)}?value_grouping_window=day"
    assert [api.get(path, who).status_code for who in (None, cast.charlie, cast.bob, actors.platform_key(usage_only))] == [
        401,
        404,
        200,
        200,
    ]
    assert api.get(path, actors.customer_key(cast.alice, ["billing:read"])).status_code == 403


def test_a_report_is_of_one_account_only(api: Api, cast: Cast) -> None:
    price(since=NOON - timedelta(days=1))
    say(cast.alice.account, "hers", now=NOON)
    for path in (f"{USAGE}?start_date=2026-03-10&end_date=2026-03-10", f"{STATS}?from=2026-03-10&to=2026-03-10"):
        assert [api.get(path, who).json()["total_requests"] for who in (cast.alice, cast.charlie)] == [1, 0]


# --- refunded calls


def test_recent_calls_say_which_were_refunded_and_what_they_cost_in_the_end(api: Api, caller: Person) -> None:
    march(caller.account)
    items = {item["id"]: item for item in api.get(f"{USAGE}/recent", caller).json()["items"]}
    assert {name: (item["status"], item["cost_str"]) for name, item in items.items()} == {
        "a": ("success", "0.002625"),
        "b": ("refunded", "0.00"),
        "c": ("success", "0.002"),
        "d": ("success", "0.00001"),
        "e": ("failed", "0.00"),
    }
    one = api.get("/v1/usage/events/b", caller).json()
    names = ("status", "call_status", "cost_usd", "charged_nanos", "charged_usd", "refunded_nanos", "refunded_usd")
    assert [one[name] for name in names] == ["refunded", "success", "0.0025", "2500000", "0.0025", "2500000", "0.0025"]
    failed = api.get("/v1/usage/events/e", caller).json()
    assert (failed["status"], failed["call_status"]) == ("failed", "failed")
