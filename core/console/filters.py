"""Filters in operators' words."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter

from core import clock
from core.days import parse_day
from core.zones import midnight

Question = tuple[str, Callable[[datetime], Q]]


class QuestionFilter(DropdownFilter):  # type: ignore[misc]  # unfold has no types
    """One of several questions about a row, each a condition at the present instant."""

    questions: ClassVar[Mapping[str, Question]]

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Model]") -> list[tuple[str, str]]:
        return [(value, words) for value, (words, _condition) in self.questions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        asked = self.questions.get(self.value() or "")
        return queryset.filter(asked[1](clock.now())) if asked else queryset


class UtcDayFilter(RangeDateFilter):  # type: ignore[misc]  # unfold has no types
    """Between two UTC days, both included. A day that is none is ignored."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        since, until = self.bounds()
        if since:
            queryset = queryset.filter(**{f"{self.field_path}__gte": since})
        if until:
            queryset = queryset.filter(**{f"{self.field_path}__lt": until})
        return queryset

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """From the first day's beginning until the last one's end."""
        first, last = (parse_day(self.used_parameters.get(f"{self.field_path}_{end}")) for end in ("from", "to"))
        day_after = last + timedelta(days=1) if last and last < date.max else None
        return midnight("UTC", first) if first else None, midnight("UTC", day_after) if day_after else None
