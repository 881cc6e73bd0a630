"""How an account stands: its wallet, and what is set up to refill it. Until payments come, nothing is."""

from dataclasses import dataclass
from datetime import datetime

from credits.services.wallets import WalletView, read_wallet


@dataclass(frozen=True)
class TopupSettings:
    """Automatic top-up as the AI gateway shows it: cents and Unix milliseconds; all None where none is set."""

    amount: float | None = None
    threshold: float | None = None
    disabled_reason: str | None = None
    error: str | None = None
    last_failed_at: float | None = None


@dataclass(frozen=True)
class CardOnFile:
    """The card that top-ups are charged to."""

    brand: str
    last4: str


@dataclass(frozen=True)
class CreditStanding:
    """A wallet with what would refill it."""

    wallet: WalletView
    currency: str = "USD"
    auto_reload_enabled: bool = False
    auto_reload_threshold_nanos: int = 0
    auto_reload_amount_nanos: int = 0
    payment_method: CardOnFile | None = None
    topup_config: TopupSettings = TopupSettings()
    first_topup_success: bool = False

    @property
    def has_default_payment_method(self) -> bool:
        """Whether a top-up could be charged now."""
        return self.payment_method is not None


def read_standing(*, account_id: int, now: datetime) -> CreditStanding:
    """How the account stands at `now`; what is due is booked first."""
    return CreditStanding(read_wallet(account_id=account_id, now=now))
