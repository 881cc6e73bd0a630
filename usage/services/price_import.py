"""Takes a public price list into the price book, as drafts: the list says what the provider asks, and we charge that with a markup."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from django.db import transaction

from core.audit import record_act
from core.errors import Conflict, InvalidInput
from core.locks import try_claim
from core.money import usd_text
from usage.errors import InvalidPriceList
from usage.models import COLUMN_OF_PRICE, AiModel, PriceVersion
from usage.models.price_book import MULTIPLIER_MAX_BP
from usage.rating import FailedPolicy, Prices
from usage.services.price_list import Listed, Unusable, read_price_list
from usage.services.prices import Draft, create_drafts


class Outcome(StrEnum):
    """What an import does about one model of the list."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportTerms:
    """
    What is taken from a list and how: `markup_bp` in basis points on what the provider asks, from when on the drafts are meant to be in
    force, which models (a pattern with * and ?), and of which provider. Empty words take all.
    """

    markup_bp: int
    effective_at: datetime
    only: str = ""
    provider: str = ""

    def take(self, code: str, provider: str) -> bool:
        """Whether this model is asked for."""
        return (not self.only or fnmatchcase(code, self.only)) and (not self.provider or provider == self.provider)


@dataclass(frozen=True, slots=True)
class Line:
    """
    One model of the list: what is done about it, and why where it is refused. `model`: what the price book has by that name. `before`: its
    last price, or its newest draft where it has none. `draft_id`: the draft that waits with just these prices already.
    """

    code: str
    outcome: Outcome
    listed: Listed | None = None
    why: str = ""
    model: AiModel | None = None
    before: PriceVersion | None = None
    draft_id: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import does, or would do, in the list's order."""

    lines: tuple[Line, ...]
    terms: ImportTerms
    digest: str

    def of(self, *outcomes: Outcome) -> list[Line]:
        """The lines that end so."""
        return [line for line in self.lines if line.outcome in outcomes]

    @property
    def wanted(self) -> list[Line]:
        """The models that get a draft."""
        return self.of(Outcome.NEW, Outcome.CHANGED)

    @property
    def unused(self) -> Counter[str]:
        """The price fields that we have no unit for, and how many of the models taken have them."""
        taken = [line.listed for line in self.lines if line.listed is not None and line.outcome is not Outcome.REFUSED]
        return Counter(field for listed in taken for field in listed.unused)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has done: the drafts it made. `waiting`: their ids, and those of drafts that waited with just these prices."""

    plan: Plan
    drafts: list[PriceVersion]
    waiting: list[int]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the price book has of one model: its active price that takes effect last, and its newest draft."""

    model: AiModel
    active: PriceVersion | None
    draft: PriceVersion | None


def plan_import(*, raw: bytes, terms: ImportTerms, now: datetime) -> Plan:
    """
    What a price list would change. Reads only.

    Raises InvalidInput: the file is no price list (`invalid_price_list`), the markup is out of range, or no model of it is asked for.
    """
    if not 0 < terms.markup_bp <= MULTIPLIER_MAX_BP:
        raise InvalidInput(
            f"A markup lies between 1 and {MULTIPLIER_MAX_BP:,} basis points; 10,000 is the list's own price.", field="markup_bp"
        )
    taken = [one for one in read_price_list(raw) if _is_asked_for(one, terms)]
    if not taken:
        raise InvalidPriceList("The list has no such model.", field="only")
    known = _known(one.code for one in taken)
    return Plan(tuple(_line(one, known.get(one.code), terms, now) for one in taken), terms, hashlib.sha256(raw).hexdigest())


def import_prices(*, raw: bytes, terms: ImportTerms, actor_id: int | None, reason: str, now: datetime) -> Imported:
    """
    Make a draft for each model whose price the list changes, and the models that are not there yet; all or nothing.

    Each draft has the list's prices, the markup as its multiplier and the same prices as provider cost; it keeps what the model's last
    price charges of failed calls. Sent again, the same list makes nothing new.

    Raises what `plan_import` does, and Conflict while another import is under way.
    """
    with transaction.atomic():
        if not try_claim("price import"):
            raise Conflict("Another price list is being imported at this moment; try again.")
        plan = plan_import(raw=raw, terms=terms, now=now)
        drafts = create_drafts(drafts=_drafts(plan, now), now=now)
        waiting = [line.draft_id for line in plan.of(Outcome.UNCHANGED) if line.draft_id is not None]
        done = Imported(plan, drafts, [*(draft.pk for draft in drafts), *waiting])
        if drafts:
            _record(done, actor_id=actor_id, reason=reason, now=now)
    return done


def _is_asked_for(one: Listed | Unusable, terms: ImportTerms) -> bool:
    provider = one.provider if isinstance(one, Listed) else terms.provider
    return terms.take(one.code, provider)


def _known(codes: Iterable[str]) -> dict[str, _Known]:
    models = AiModel.objects.in_bulk(list(codes), field_name="code")
    versions = PriceVersion.objects.filter(model__in=models.values()).select_related("provider_cost")
    active = versions.filter(activated_at__isnull=False).order_by("model_id", "-effective_at").distinct("model_id")
    drafts = versions.filter(activated_at=None).order_by("model_id", "-id").distinct("model_id")
    actives, waiting = ({version.model_id: version for version in found} for found in (active, drafts))
    return {code: _Known(model, actives.get(model.pk), waiting.get(model.pk)) for code, model in models.items()}


def _line(one: Listed | Unusable, known: _Known | None, terms: ImportTerms, now: datetime) -> Line:
    if isinstance(one, Unusable):
        return Line(one.code, Outcome.REFUSED, why=one.why)
    if known is None and one.retired_on is not None and one.retired_on <= now.date():
        return Line(one.code, Outcome.REFUSED, one, why=f"it is gone since {one.retired_on}")
    if known is None:
        return Line(one.code, Outcome.NEW, one)
    if known.active is not None and _is_same(known.active, one, terms):
        return Line(one.code, Outcome.UNCHANGED, one, model=known.model, before=known.active)
    if known.draft is not None and _is_same(known.draft, one, terms):
        return Line(one.code, Outcome.UNCHANGED, one, model=known.model, before=known.draft, draft_id=known.draft.pk)
    return Line(one.code, Outcome.CHANGED, one, model=known.model, before=known.active or known.draft)


def _is_same(version: PriceVersion, one: Listed, terms: ImportTerms) -> bool:
    cost = getattr(version, "provider_cost", None)
    return version.rates == charged(one, terms) and cost is not None and cost.prices() == one.prices


def charged(one: Listed, terms: ImportTerms) -> Prices:
    """What we charge for a listed model: the list's prices, times the markup."""
    return replace(one.prices, multiplier_bp=terms.markup_bp)


def _drafts(plan: Plan, now: datetime) -> list[Draft]:
    wanted = [(line, line.listed) for line in plan.wanted if line.listed is not None]
    new = [AiModel(code=one.code, name=one.code, provider=one.provider, created_at=now) for line, one in wanted if line.model is None]
    made = {model.code: model for model in AiModel.objects.bulk_create(new)}
    return [
        Draft(line.model or made[one.code], charged(one, plan.terms), plan.terms.effective_at, _policy(line), one.prices)
        for line, one in wanted
    ]


def _policy(line: Line) -> FailedPolicy:
    return FailedPolicy.REPORTED if line.before is None else FailedPolicy(line.before.failed_policy)


def _record(done: Imported, *, actor_id: int | None, reason: str, now: datetime) -> None:
    terms = done.plan.terms
    record_act(
        actor_id=actor_id,
        act="import_prices",
        object_type="price_list",
        object_id=done.plan.digest[:32],
        reason=reason,
        after={
            "drafts": len(done.drafts),
            "markup_bp": terms.markup_bp,
            "only": terms.only,
            "provider": terms.provider,
        },
        now=now,
    )


def told_changes(line: Line, terms: ImportTerms) -> list[str]:
    """What changes for a model, in dollars as the list states them: `input 2.50 → 2.00`."""
    if line.listed is None:
        return []
    found = []
    for name, column in COLUMN_OF_PRICE.items():
        before, after = 0 if line.before is None else getattr(line.before, column), getattr(line.listed.prices, name)
        if before != after:
            found.append(f"{name.replace('_', ' ')} {usd_text(before)} → {usd_text(after)}" if line.before else f"{name} {usd_text(after)}")
    if line.before is not None and line.before.multiplier_bp != terms.markup_bp:
        found.append(f"multiplier {line.before.multiplier_bp} → {terms.markup_bp} basis points")
    return found or ["what the provider asks is written down"]
