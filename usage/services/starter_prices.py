"""A price book to start with: public list prices, so that a newcomer's usage costs something real."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import transaction

from core.money import parse_usd
from usage.models import AiModel
from usage.rating import BASIS_POINTS, PRICE_OF_QUANTITY, Prices
from usage.services.prices import activate_price_version, create_draft

_FILE: Final = Path(__file__).resolve().parent.parent / "data" / "price_book.json"
_BACKDATED: Final = timedelta(days=400)


def load_starter_prices(*, now: datetime) -> int:
    """Add the models of usage/data/price_book.json that are not there yet, each with a price in force; returns how many."""
    listed = json.loads(_FILE.read_text())["models"]
    known = set(AiModel.objects.values_list("code", flat=True))
    new = [line for line in listed if line["code"] not in known]
    with transaction.atomic():
        for line in new:
            _add(line, now)
    return len(new)


def _add(line: dict[str, str], now: datetime) -> None:
    model = AiModel.objects.create(code=line["code"], name=line["name"], provider=line["provider"], created_at=now)
    prices = Prices(**{name: parse_usd(line.get(name, "0"), field=name) for name in PRICE_OF_QUANTITY.values()}, multiplier_bp=BASIS_POINTS)
    draft = create_draft(model=model, prices=prices, effective_at=now - _BACKDATED, now=now)
    activate_price_version(version_id=draft.pk, actor_id=None, reason="starter price book", now=now)
