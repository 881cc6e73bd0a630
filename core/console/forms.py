"""Form fields of the console."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from core import money
from core.errors import InvalidInput


class UsdField(forms.CharField):
    """Exact dollars as a person writes them (`12.50`, at most 9 decimals), as integer nanos in `cleaned_data`."""

    def __init__(self, **options: Any) -> None:
        attributes = {"inputmode": "decimal", "autocomplete": "off"}
        super().__init__(**{"max_length": 24, "widget": UnfoldAdminTextInputWidget(attrs=attributes), **options})

    def clean(self, value: object) -> int:
        """Raises ValidationError in the words of `core.money.parse_usd`."""
        return _nanos(super().clean(value))


class OptionalUsdField(UsdField):
    """As `UsdField`; left empty it is None in `cleaned_data`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def clean(self, value: object) -> int | None:  # type: ignore[override]  # what a form makes of it is never typed
        """Raises ValidationError in the words of `core.money.parse_usd`."""
        text = forms.CharField.clean(self, value)
        return _nanos(text) if text else None


def _nanos(text: str) -> int:
    try:
        return money.parse_usd(text, field="amount")
    except InvalidInput as error:
        raise forms.ValidationError(error.message, code=error.stable_code) from error
