"""What gateways hear of holds: written by msgspec, since it is on the way of every call."""

import msgspec

from core.api.times import iso_z
from core.money import usd_text
from credits.services.holds import HoldView
from usage.services.captures import Captured, CaptureRequest


class HoldAnswer(msgspec.Struct, frozen=True):
    """A hold as it stands. `*_nanos` are exact; `event_id` is the usage event that captured it."""

    id: str
    account: str
    api_key: str | None
    hold_key: str | None
    status: str
    amount_nanos: str
    amount_usd: str
    event_id: str | None
    opened_at: str
    expires_at: str
    closed_at: str | None


class CaptureAnswer(msgspec.Struct, frozen=True):
    """
    What the capture came to: cost = charged + absorbed. `flag`: `late` where the hold had expired, so that the event was booked without
    it; null where it was captured.
    """

    hold: str
    status: str
    event_id: str
    account: str
    cost_nanos: str
    cost_usd: str
    charged_nanos: str
    charged_usd: str
    absorbed_nanos: str
    absorbed_usd: str
    flag: str | None


def hold_answer(hold: HoldView, *, account: str, api_key: str | None) -> HoldAnswer:
    """A hold as its gateway hears of it. `account`, `api_key`: public ids."""
    return HoldAnswer(
        id=hold.public_id,
        account=account,
        api_key=api_key,
        hold_key=hold.hold_key,
        status=hold.status,
        amount_nanos=str(hold.amount_nanos),
        amount_usd=usd_text(hold.amount_nanos),
        event_id=hold.event_id,
        opened_at=iso_z(hold.opened_at),
        expires_at=iso_z(hold.expires_at),
        closed_at=None if hold.closed_at is None else iso_z(hold.closed_at),
    )


def capture_answer(asked: CaptureRequest, hold: str, captured: Captured) -> CaptureAnswer:
    """The capture as its sender hears of it."""
    cost = captured.charged_nanos + captured.absorbed_nanos
    return CaptureAnswer(
        hold=hold,
        status="captured" if captured.flag is None else "expired",
        event_id=asked.event_id,
        account=asked.account,
        cost_nanos=str(cost),
        cost_usd=usd_text(cost),
        charged_nanos=str(captured.charged_nanos),
        charged_usd=usd_text(captured.charged_nanos),
        absorbed_nanos=str(captured.absorbed_nanos),
        absorbed_usd=usd_text(captured.absorbed_nanos),
        flag=captured.flag,
    )
