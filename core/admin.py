"""The audit trail's page."""

from django.contrib import admin

from core.console.filters import UtcDayFilter
from core.console.pages import ReadOnlyAdmin
from core.console.shown import EMPTY, link, page_url
from core.models import AuditRecord


@admin.register(AuditRecord)
class AuditRecordAdmin(ReadOnlyAdmin[AuditRecord]):
    """Who did what, and why."""

    list_display = ("created_at", "actor", "act", "object_type", "object_id", "account_page", "reason")
    list_display_links = ("created_at",)
    list_filter = (("created_at", UtcDayFilter),)
    list_select_related = ("actor",)
    search_fields = ("act__istartswith", "=object_id", "actor__email__istartswith")
    search_help_text = "An act, an object's id, an operator's e-mail: from their beginning"
    ordering = ("-id",)
    exclude = ("account_id",)
    readonly_fields = ("account_page",)

    @admin.display(description="Account")
    def account_page(self, record: AuditRecord) -> str:
        return link(page_url("accounts_account", record.account_id), record.account_id) if record.account_id else EMPTY
