"""
Dialogs: how an operator acts.

unfold runs a plain action on GET, without CSRF. A dialog loads a form by GET, and runs the act on a valid POST with a
token only. Each asks for a reason, which goes into the audit trail. Some show their effect first.
"""

import uuid
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from unfold.decorators import action as unfold_action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from core.errors import BillingError

REASON_MIN: Final = 10
REASON_MAX: Final = 2000

Act = Callable[..., HttpResponse]
ActT = TypeVar("ActT", bound=Act)
ModelT = TypeVar("ModelT", bound=Model)


class DialogForm(BaseDialogForm):  # type: ignore[misc]  # unfold has no types
    """A dialog's form, with lines before its fields, and after them the errors of the whole and the effect to come."""

    form_before_template: ClassVar[str] = "admin/console/dialog_before.html"
    form_after_template: ClassVar[str] = "admin/console/dialog_after.html"
    lines_class: ClassVar[str] = ""
    """`is-long` where the effect has many lines, or long ones."""

    def lines_before(self) -> list[tuple[str, str]]:
        """What the operator should know before filling it in: pairs of a word and its value."""
        return []

    def effect(self) -> list[tuple[str, str]]:
        """What pressing again will do: pairs of a word and `before → after`. Only in dialogs that show it first."""
        return []

    def get_before_template_context(self, request: HttpRequest, object_id: str | None = None) -> dict[str, object]:
        return {"lines": self.lines_before()}

    def get_after_template_context(self, request: HttpRequest, object_id: str | None = None) -> dict[str, object]:
        return {"form": self, "effect": self.effect()}

    def opened_on(self, rows: QuerySet[ModelT]) -> ModelT:
        """The row, of these, that the dialog was opened on. Raises Http404."""
        text = str(self.object_id)
        row = rows.filter(pk=text).first() if text.isdecimal() else None
        if row is None:
            raise Http404
        return row


class ReasonForm(DialogForm):
    """A dialog that asks why."""

    reason = forms.CharField(
        min_length=REASON_MIN,
        max_length=REASON_MAX,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Why, with the ticket. It is kept in the audit trail.",
    )


class OnceForm(ReasonForm):
    """A dialog whose act is done once, however often it is sent: each opening has a token of its own."""

    token = forms.RegexField(r"^[0-9a-f]{32}$", widget=forms.HiddenInput, initial=lambda: uuid.uuid4().hex)


def dialog_action(
    title: str,
    *,
    permissions: tuple[str, ...],
    form: type[DialogForm],
    icon: str,
    submit: str,
    explains: str = "",
    variant: Any = None,  # noqa: ANN401 - unfold's enum has no types
) -> Callable[[Act], Act]:
    """
    Put a method of an admin page behind a dialog: `method(self, request, form, object_id)` runs on a valid POST only.

    A foreseen error of the service is shown in the dialog, whose fields stay as they were.
    """
    dialog = {"title": title, "description": explains, "form_class": form, "form_submit_text": submit}

    def decorate(method: Act) -> Act:
        def guarded(page: object, request: HttpRequest, form: DialogForm, *args: object, **kwargs: object) -> HttpResponse:
            try:
                return method(page, request, form, *args, **kwargs)
            except BillingError as error:
                form.add_error(None, error.message)
                return render(request, "unfold/helpers/dialog.html", {"dialog": dialog, "form": form, "form_submit_text": submit})

        guarded.__name__ = method.__name__
        guarded.__doc__ = method.__doc__
        options = {"permissions": permissions, "description": title, "url_path": method.__name__.replace("_", "-")}
        made: Act = unfold_action(**options, icon=icon, dialog=dialog, variant=variant)(guarded)
        return made

    return decorate


def done(request: HttpRequest, url: str, message: str) -> HttpResponse:
    """Close the dialog: say what happened and show the page, by htmx or without it."""
    messages.success(request, message)
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def show_once(request: HttpRequest, **context: object) -> HttpResponse:
    """Put a secret in the dialog's place: in this answer only, which may not be cached, in no message or session."""
    response = render(request, "admin/console/secret_once.html", context)
    response["HX-Retarget"] = response["HX-Reselect"] = "#dialog"
    response["HX-Reswap"] = "outerHTML"
    return response


def operator_id(request: HttpRequest) -> int:
    """Who acts. Raises PermissionDenied where nobody is logged in, which the site's own guard has ruled out."""
    pk = request.user.pk
    if pk is None:
        raise PermissionDenied
    return pk
