"""Where a person is sent after paying or giving up: our own page, or an address on a host that the deployment allows."""

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing

from payments.contract import SESSION_PLACE
from payments.errors import OrderNotFound, RedirectNotAllowed

URL_MAX: Final = 2000
_SALT: Final = "payments.returning"
_LINK_SECONDS: Final = 7 * 86_400


def read_redirect(url: str, *, field: str) -> str:
    """
    An absolute http(s) URL on one of CHECKOUT_REDIRECT_HOSTS (a port only if listed with it), without a login in it.

    Plain http is for machines of one's own (LOCAL_HTTP). Raises RedirectNotAllowed, naming the field.
    """
    plain = url.replace(SESSION_PLACE, "session") if field == "success_url" else url
    try:
        parts = urlsplit(plain)
        is_fine = (
            len(url) <= URL_MAX
            and plain.isascii()
            and plain.isprintable()
            and not set(plain) & set(' \\<>"{}|^`')
            and parts.scheme in _schemes()
            and "@" not in parts.netloc
            and parts.netloc != ""  # An address without a host: browsers take one out of its path.
            and parts.netloc.lower() in settings.CHECKOUT_REDIRECT_HOSTS
        )
    except ValueError:
        is_fine = False
    if not is_fine:
        allowed = ", ".join(settings.CHECKOUT_REDIRECT_HOSTS)
        raise RedirectNotAllowed(f"Give an absolute {' or '.join(_schemes())} address on one of: {allowed}.", field=field)
    return url


def own_page(order_id: str, *, is_cancelled: bool = False) -> str:
    """Our own page after a checkout: it shows how the order stands to whoever has this address, and nothing else."""
    token = signing.dumps(order_id, salt=_SALT)
    return f"{settings.PUBLIC_URL.rstrip('/')}/payment/return/{token}{'?cancelled=1' if is_cancelled else ''}"


def read_page_token(token: str) -> str:
    """The order of such an address. Raises OrderNotFound for a forged or old one."""
    try:
        order_id: str = signing.loads(token, salt=_SALT, max_age=_LINK_SECONDS)
    except signing.BadSignature as error:
        raise OrderNotFound("This link is not one of ours, or too old.") from error
    return order_id


def _schemes() -> tuple[str, ...]:
    return ("https", "http") if settings.LOCAL_HTTP else ("https",)
