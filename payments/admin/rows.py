"""Lists of payments: found by account, by order, and by what a provider calls them; none is counted or sorted as a whole."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from accounts.admin import find_account_ids
from core.console.pages import ACCOUNT_FILTER, AccountRowsAdmin, HotTableAdmin, NewestChangeList, is_account_word
from payments.models import PaymentAttempt, Provider

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList as DjangoChangeList

ModelT = TypeVar("ModelT", bound=Model)


class FoundByName(AccountRowsAdmin[ModelT]):
    """Rows searched by any number of words: those that name accounts, and ids of orders or of things at a provider."""

    find_accounts = staticmethod(find_account_ids)
    account_path: ClassVar[str] = "account_id"

    def named(self, word: str) -> Q:
        """The rows that an id names, by an index."""
        raise NotImplementedError

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[ModelT], search_term: str) -> tuple[QuerySet[ModelT], bool]:
        """Rows of any of the accounts named, and of each id."""
        words = search_term.split()
        owners = [word for word in words if is_account_word(word)]
        if owners:
            found = {pk for word in owners for pk in type(self).find_accounts(word)}
            queryset = queryset.filter(**{f"{self.account_path}__in": sorted(found)})
        for word in words:
            if word not in owners:
                queryset = queryset.filter(self.named(word))
        return queryset, False


class PaymentChangeList(NewestChangeList):
    """All rows, to the first day, where a filter asks what an index answers; else the newest."""

    model_admin: "PaymentRowsAdmin[Model]"

    @property
    def narrowed_to_account(self) -> bool:
        return bool(self.query) or self.model_admin.is_narrowed(self.params)


class PaymentRowsAdmin(FoundByName[ModelT], HotTableAdmin[ModelT]):
    """
    A table that grows with every purchase.

    `indexed`: query parameters by which an index finds few rows (by these values, or all where it is None). Such a list shows
    every row that there is, since nobody may miss an old one; any other list shows the newest rows only.
    """

    newest_first = ("-id",)
    account_path = "order__account_id"
    indexed: ClassVar[Mapping[str, frozenset[str] | None]] = {}

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> "type[DjangoChangeList]":
        return PaymentChangeList

    def names_account(self, request: HttpRequest) -> bool:
        return super().names_account(request) or self.is_narrowed(request.GET.dict())

    def is_narrowed(self, params: Mapping[str, str]) -> bool:
        """Whether these parameters leave few rows."""
        asked = ((params.get(name), values) for name, values in {**self.indexed, ACCOUNT_FILTER: None}.items())
        return any(value and (values is None or value in values) for value, values in asked)


def attempts_named(word: str) -> QuerySet[PaymentAttempt]:
    """The attempts of a provider's session or payment. The unique indexes begin with the provider, so all of them are named."""
    return PaymentAttempt.objects.filter(Q(session_id=word) | Q(payment_id=word), provider__in=Provider.values)
