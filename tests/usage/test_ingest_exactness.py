"""What ten thousand real calls cost, to the nano, against the published prices in exact fractions."""

import json
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

import usage
from accounts.models import Account
from accounts.services.api_keys import IssuedKey
from billing_platform.verification import verify_ledger
from core import clock
from credits.models import LedgerEntry
from tests import actors, factories
from tests.actors import Person
from tests.conftest import Api
from tests.factories import Event, event, post_events
from tests.spending import adjust, price
from usage.models import UsageEvent
from usage.rating import Prices
from usage.services.starter_prices import load_starter_prices

USD: Final = 10**9
PRICE_LIST: Final = json.loads((Path(usage.__file__).parent / "data" / "price_book.json").read_text())["models"]
CLASSES: Final = ("input", "output", "cache_read", "cache_write", "reasoning")
UNITS: Final = {"requests": "request", "images": "image", "seconds": "second"}
BATCH: Final = 2_500


@dataclass(frozen=True)
class Customer:
    """Somebody whose calls are reported."""

    person: Person
    key: IssuedKey
    given: int


def make_customer(name: str, given: int) -> Customer:
    person = actors.make_person(name)
    adjust(person.account, given)
    return Customer(person, actors.customer_key(person), given)


def make_events(customers: list[Customer], count: int, now: datetime) -> list[Event]:
    """Calls such as gateways report: short and long, cached, failed, some with pictures or seconds, over some days."""
    rng = random.Random(20)
    models = [line["code"] for line in PRICE_LIST]
    return [_real_call(rng, rng.choice(customers), rng.choice(models), number, now) for number in range(count)]


def _real_call(rng: random.Random, customer: Customer, model: str, number: int, now: datetime) -> Event:
    said: Event = {"model": model, "input_tokens": rng.choice((1, 17, 999, 1_203, 48_731, 128_000))}
    said |= {f"{name}_tokens": rng.randrange(9_999) for name in CLASSES[1:] if rng.random() < 0.4}
    said |= {"status": "failed", "output_tokens": 0} if rng.random() < 0.1 else {}
    said |= {"images": rng.randrange(4), "seconds": rng.randrange(600)} if rng.random() < 0.2 else {}
    said |= {"api_key": customer.key.key.public_id} if rng.random() < 0.7 else {}
    said |= {"occurred_at": (now - timedelta(seconds=rng.randrange(5 * 86_400))).isoformat()} if rng.random() < 0.8 else {}
    said |= {"endpoint": "/v1/chat/completions", "metadata": {"trace": f"é\\{number}\t", "n": number}} if number % 3 else {}
    return event(customer.person.account, f"call-{number:06}", **said)


def fair_cost(reported: Event) -> int:
    """The published dollars per million tokens and per unit, as a fraction, rounded once, ties to even."""
    line = next(line for line in PRICE_LIST if line["code"] == reported["model"])
    tokens = sum(_said(reported, f"{name}_tokens") * Fraction(line.get(name, "0")) for name in CLASSES)
    units = sum(_said(reported, said) * Fraction(line.get(name, "0")) for said, name in UNITS.items() if said in reported)
    return round((tokens / 10**6 + units) * USD)


def _said(reported: Event, name: str) -> int:
    value = reported.get(name, 0)
    assert isinstance(value, int)
    return value


def report(api: Api, key: IssuedKey, events: list[Event]) -> Counter[str]:
    """Everything, in batches; how many were accepted, known, and refused by which code."""
    told: Counter[str] = Counter()
    for start in range(0, len(events), BATCH):
        answer = post_events(api, key, events[start : start + BATCH]).json()
        told.update({"accepted": answer["accepted"], "duplicates": answer["duplicates"]})
        told.update(refused["code"] for refused in answer["rejected"])
    return +told


def balances_everywhere(api: Api, person: Person) -> dict[str, Fraction]:
    """The balance in nanos, as each of the four dialects tells it: by its exact text, or by its number."""
    gateway = f"/accounts/{person.account.public_id}/ai-gateway/billing/credit-balance"
    return {
        "usage & billing": Fraction(_get(api, "/api-account/user/balance", person)["balance_str"]) * USD,
        "account": Fraction(_get(api, "/auth/account/credits", person)["balance_str"]) * USD,
        "billing service": Fraction(_get(api, "/credits/balance", person)["data"]["balance_str"]) * 10**6,
        "billing service, number": Fraction(repr(_get(api, "/credits/balance", person)["data"]["balance"])) * 10**6,
        "ai gateway": Fraction(repr(_get(api, gateway, person)["result"]["balance"])) * 10**7,
        "ai gateway, vendor's path": Fraction(repr(_get(api, "/client/v4" + gateway, person)["result"]["balance"])) * 10**7,
    }


def _get(api: Api, path: str, person: Person) -> Any:
    answer = api.get(path, person)
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.mark.django_db(transaction=True)
def test_ten_thousand_real_calls_cost_what_the_price_list_says_and_nothing_when_sent_again(api: Api, gateway_key: IssuedKey) -> None:
    load_starter_prices(now=clock.now())
    customers = [make_customer("rich", 900 * USD), make_customer("poor", USD), make_customer("usual", 20 * USD)]
    factories.give(customers[2].person.account, 3 * USD + 1, priority=-1)
    events = make_events(customers, 10_000, clock.now())

    assert report(api, gateway_key, events) == {"accepted": 10_000}

    for customer in customers:
        cost = sum(fair_cost(told) for told in events if told["account"] == customer.person.account.public_id)
        given = customer.given + (3 * USD + 1 if customer is customers[2] else 0)
        assert set(balances_everywhere(api, customer.person).values()) == {given - cost}
    charged = dict(UsageEvent.objects.values_list("event_id", "charged_nanos"))
    assert charged == {str(told["event_id"]): fair_cost(told) for told in events}
    assert balances_everywhere(api, customers[1].person)["account"] < 0

    before = factories.books_now()
    assert report(api, gateway_key, events) == {"duplicates": 10_000}
    assert report(api, gateway_key, list(reversed(events))) == {"duplicates": 10_000}
    changed = [told | {"input_tokens": _said(told, "input_tokens") + 1} for told in events]
    assert report(api, gateway_key, changed) == {"event_id_conflict": 10_000}
    assert factories.books_now() == before
    assert verify_ledger(now=clock.now()).discrepancies == []


def test_twenty_dollars_are_twenty_billion_nanos_in_every_dialect(api: Api, db: None) -> None:
    customer = make_customer("usual", 20 * USD)
    told = balances_everywhere(api, customer.person)
    assert set(told.values()) == {20_000_000_000}


def test_2500_calls_of_four_millionths_of_a_dollar_cost_exactly_one_cent(api: Api, gateway_key: IssuedKey) -> None:
    price("tiny", Prices(0, 0, 0, 0, 0, request=4_000, image=0, second=0, multiplier_bp=10_000))
    customer = make_customer("usual", 20 * USD)
    events = [event(customer.person.account, model="tiny") for _ in range(2_500)]
    assert report(api, gateway_key, events) == {"accepted": 2_500}
    assert set(balances_everywhere(api, customer.person).values()) == {19_990_000_000}
    assert _get(api, "/api-account/user/balance", customer.person)["balance_str"] == "19.99"
    assert {entry.amount_nanos for entry in LedgerEntry.objects.filter(kind="usage")} == {-4_000}


def test_a_call_that_costs_nothing_is_kept_and_counted_and_makes_no_entry(api: Api, gateway_key: IssuedKey) -> None:
    price("free", Prices(0, 0, 0, 0, 0, 0, 0, 0, 10_000))
    customer = make_customer("usual", USD)
    assert report(api, gateway_key, [event(customer.person.account, "gratis", model="free", input_tokens=9)]) == {"accepted": 1}
    assert _entry_kinds(customer.person.account) == ["manual"]
    assert UsageEvent.objects.get().charged_nanos == 0
    assert report(api, gateway_key, [event(customer.person.account, "gratis", model="free", input_tokens=9)]) == {"duplicates": 1}
    assert factories.disagreements() == []


def test_a_price_that_changes_between_two_calls_of_one_batch_prices_each_by_its_own_time(api: Api, gateway_key: IssuedKey) -> None:
    customer = make_customer("usual", USD)
    now = clock.now()
    changes_at = now - timedelta(hours=1)
    price("shop", _per_request(7), since=now - timedelta(days=2))
    factories.change_price("shop", _per_request(11), effective_at=changes_at)
    instants = [changes_at - timedelta(microseconds=1), changes_at, changes_at + timedelta(microseconds=1), None]
    events = [event(customer.person.account, model="shop", occurred_at=at and at.isoformat()) for at in instants]
    assert report(api, gateway_key, events) == {"accepted": 4}
    charged = LedgerEntry.objects.filter(kind="usage").order_by("seq").values_list("amount_nanos", flat=True)
    assert list(charged) == [-7, -11, -11, -11]
    assert factories.disagreements() == []


def _per_request(nanos: int) -> Prices:
    return Prices(0, 0, 0, 0, 0, request=nanos, image=0, second=0, multiplier_bp=10_000)


def _entry_kinds(account: Account) -> list[str]:
    return list(LedgerEntry.objects.filter(account=account).order_by("seq").values_list("kind", flat=True))
