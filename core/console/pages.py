"""Kinds of admin pages: editable, read-only, and read-only over a table too large to count or to sort as a whole."""

from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar, cast

from django.contrib.admin import ShowFacets
from django.contrib.admin.checks import ModelAdminChecks
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator as UnfoldInfinitePaginator
from unfold.views import ChangeList

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as UnfoldModelAdmin
    from django.contrib.admin.views.main import ChangeList as DjangoChangeList
else:
    from unfold.admin import ModelAdmin as _ModelAdmin

    class UnfoldModelAdmin(_ModelAdmin):
        """Unfold's page, written `UnfoldModelAdmin[Model]` as in Django's stubs."""

        def __class_getitem__(cls, _model: type[Model]) -> type:
            return cls


ModelT = TypeVar("ModelT", bound=Model)

NEWEST_ROWS: Final = 10_000
"""How many of the newest rows a list over all accounts shows, and how far a list's pages go. Beyond, filters answer."""
ACCOUNT_FILTER: Final = "account__id__exact"
"""The query parameter by which every list is narrowed to one account."""
SEARCH: Final = "q"
SECRET_FIELDS: Final = frozenset({"password", "secret_hash"})


class InfinitePaginator(UnfoldInfinitePaginator):  # type: ignore[misc]  # unfold has no types
    """Pages back from the newest rows without counting any. By its name, unfold's templates know to say no total."""

    @property
    def count(self) -> int:
        return NEWEST_ROWS


class ConsoleAdmin(UnfoldModelAdmin[ModelT]):
    """A page of the operators' console: the site takes no other. Nothing is counted, nor deleted in bulk."""

    show_facets = ShowFacets.NEVER
    show_full_result_count = False
    paginator: ClassVar[Any] = InfinitePaginator
    sortable_by: ClassVar[Any] = ()
    list_filter_submit: ClassVar[bool] = True
    list_fullwidth: ClassVar[bool] = True
    list_per_page = 50
    list_max_show_all = 0
    warn_unsaved_form: ClassVar[bool] = True
    actions = None
    checks_class = ModelAdminChecks
    """Django's: unfold's read permissions in the database, so `migrate` on an empty one fails. A test does it."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """No filter by a secret's hash: `password__startswith` in an address bar would spell it out, letter by letter."""
        parts = set(lookup.split("__"))
        return not parts & SECRET_FIELDS and super().lookup_allowed(lookup, value, request)

    def has_delete_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:
        return False


class SmallTableAdmin(ConsoleAdmin[ModelT]):
    """A table of settings, written by operators: a few pages at most, so it is counted and sorted as Django does."""

    show_full_result_count = True
    paginator = Paginator
    sortable_by = None


class ReadOnlyAdmin(ConsoleAdmin[ModelT]):
    """
    To be read by whoever may view it; nobody adds, changes or deletes, a superuser neither.

    What may change is changed by a named act, in a dialog, through a service.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:
        return False


class AccountFinder(Protocol):
    """Turns what an operator typed into account ids; lives above the kernel, which knows no accounts."""

    def __call__(self, text: str) -> list[int]: ...


class AccountRowsAdmin(ReadOnlyAdmin[ModelT]):
    """Rows that belong to accounts: searched by account first, newest first, never counted."""

    find_accounts: ClassVar[AccountFinder]

    list_select_related: ClassVar[Any] = ("account",)
    search_fields = ("account",)
    search_help_text = "An account: its 32-character id, or an e-mail"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[ModelT], search_term: str) -> tuple[QuerySet[ModelT], bool]:
        """Words that name accounts narrow the list to them; other words are looked up within those accounts only."""
        words = search_term.split()
        found = {word: type(self).find_accounts(word) for word in words if is_account_word(word)}
        if found:
            queryset = queryset.filter(account_id__in=sorted({pk for ids in found.values() for pk in ids}))
        elif words and not request.GET.get(ACCOUNT_FILTER):
            return queryset.none(), False
        rest = [word for word in words if word not in found]
        return (self.search_within_account(queryset, rest) if rest else queryset), False

    def search_within_account(self, queryset: QuerySet[ModelT], words: list[str]) -> QuerySet[ModelT]:
        """Rows of the chosen accounts that match further words; a table without a key for that finds nothing."""
        return queryset.none()


class HotTableAdmin(AccountRowsAdmin[ModelT]):
    """
    A table that grows with traffic. It is never counted or sorted as a whole.

    Its rows are keyed by account first, in the order `newest_first`; `id` has a BRIN index only. So a list over all
    accounts shows the newest ids, and only a list of chosen accounts goes back to their first day.
    """

    newest_first: ClassVar[tuple[str, ...]]
    list_before_template: ClassVar[str] = "admin/console/newest_note.html"

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> "type[DjangoChangeList]":
        return NewestChangeList

    def names_account(self, request: HttpRequest) -> bool:
        """Whether this list is narrowed to accounts: by its filter, or by a search, which starts with an account."""
        return bool(request.GET.get(ACCOUNT_FILTER) or request.GET.get(SEARCH, "").strip())

    def newest_id(self) -> int:
        """The last id handed out, read from the table's sequence."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id'))", [self.model._meta.db_table])
            (last,) = cursor.fetchone()
        return last or 0

    def newest_floor(self) -> int:
        """A list over all accounts shows the rows with ids above this."""
        return self.newest_id() - NEWEST_ROWS


class NewestChangeList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """Newest rows first: of one account by the table's own key, else of the last `NEWEST_ROWS` ids."""

    @property
    def narrowed_to_account(self) -> bool:
        """For the note above the list."""
        return bool(self.params.get(ACCOUNT_FILTER) or self.query)

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> QuerySet[Model]:
        rows = cast("QuerySet[Model]", super().get_queryset(request, exclude_parameters))
        page: HotTableAdmin[Model] = self.model_admin
        return rows if page.names_account(request) else rows.filter(id__gt=page.newest_floor())

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Model]) -> list[str]:
        page: HotTableAdmin[Model] = self.model_admin
        return list(page.newest_first if page.names_account(request) else ("-id",))


def is_account_word(word: str) -> bool:
    """Whether a word can name an account: its public id or an address."""
    return "@" in word or (len(word) == 32 and all(letter in "0123456789abcdef" for letter in word.lower()))  # noqa: PLR2004
