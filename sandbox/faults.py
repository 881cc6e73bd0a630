"""What goes wrong on purpose: knobs for webhooks and for answers of the API."""

import fnmatch
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

from sandbox.store import Json


class BadKnob(Exception):
    """A knob that does not exist, or a value that it does not take."""


@dataclass(frozen=True)
class WebhookFaults:
    """How deliveries go wrong, from now on. The defaults are none."""

    duplicate: int = 1
    """How many copies of each delivery are sent, all at once."""
    reorder: str = ""
    """Within the events of one act: `reverse` or `shuffle`."""
    delay_seconds: float = 0
    """How long after its event a delivery is first tried."""
    drop: bool = False
    """Nothing is sent, ever."""
    drop_types: tuple[str, ...] = ()
    """Events of these types are never sent; `*` stands for anything."""
    drop_next: int = 0
    """So many of the next deliveries are never sent."""
    forge: bool = False
    """Before each true delivery goes the same body, signed with a secret that is not the endpoint's."""


@dataclass(frozen=True)
class ApiFault:
    """How requests to the API go wrong whose path matches (`*` for anything), the next `times` of them or all until cleared."""

    path: str = "*"
    method: str = "*"
    times: int | None = None
    delay_before: float = 0
    """Seconds before anything is done."""
    delay_after: float = 0
    """Seconds between the work, with its webhooks, and the answer."""
    status: int | None = None
    """Answered instead of working, such as 500 or 429."""
    hang_up: bool = False
    """The work is done; then the connection is closed without an answer."""


class Faults:
    """The knobs as they stand. Webhook knobs act when an event happens, API knobs when a request comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._webhooks = WebhookFaults()
        self._api: list[ApiFault] = []
        self.holding = False

    @property
    def webhooks(self) -> WebhookFaults:
        """How deliveries go wrong now."""
        return self._webhooks

    def set_webhooks(self, faults: WebhookFaults) -> None:
        """From now on deliveries go wrong like this."""
        if faults.reorder not in {"", "reverse", "shuffle"} or faults.duplicate < 1 or faults.delay_seconds < 0 or faults.drop_next < 0:
            raise BadKnob("reorder is reverse, shuffle or empty; duplicate at least 1; delay_seconds and drop_next at least 0")
        with self._lock:
            self._webhooks = faults

    def add_api(self, fault: ApiFault) -> None:
        """One more rule; the first that matches a request counts."""
        if (fault.times is not None and fault.times < 1) or min(fault.delay_before, fault.delay_after) < 0:
            raise BadKnob("times is at least 1, delays are at least 0")
        if fault.status is not None and not 400 <= fault.status <= 599:  # noqa: PLR2004  HTTP's own numbers.
            raise BadKnob("status is between 400 and 599")
        with self._lock:
            self._api.append(fault)

    def clear(self) -> None:
        """No faults. What is held back stays held: releasing is an act of its own."""
        with self._lock:
            self._webhooks = WebhookFaults()
            self._api = []

    def take_api(self, method: str, path: str) -> ApiFault | None:
        """The rule for this request, if any; one of its times is used up."""
        with self._lock:
            for index, fault in enumerate(self._api):
                if fnmatch.fnmatchcase(path, fault.path) and fault.method in {"*", method}:
                    self._use(index, fault)
                    return fault
        return None

    def _use(self, index: int, fault: ApiFault) -> None:
        if fault.times == 1:
            del self._api[index]
        elif fault.times is not None:
            self._api[index] = replace(fault, times=fault.times - 1)

    def take_drop(self, event_type: str) -> bool:
        """Whether this delivery is never sent; one of `drop_next` is used up."""
        with self._lock:
            knobs = self._webhooks
            if knobs.drop or any(fnmatch.fnmatchcase(event_type, pattern) for pattern in knobs.drop_types):
                return True
            if knobs.drop_next:
                self._webhooks = replace(knobs, drop_next=knobs.drop_next - 1)
                return True
            return False

    def shown(self) -> Json:
        """Every knob, as JSON."""
        with self._lock:
            return {"webhooks": asdict(self._webhooks), "api": [asdict(each) for each in self._api], "holding": self.holding}

    def put(self, given: object) -> None:
        """Replace all knobs by those of a JSON record `{"webhooks": {…}, "api": [{…}]}`. Raises BadKnob and then changes nothing."""
        if not isinstance(given, dict) or not set(given) <= {"webhooks", "api"}:
            raise BadKnob("expected {webhooks: {…}, api: [{…}, …]}")
        rules = given.get("api", [])
        if not isinstance(rules, list):
            raise BadKnob("api is a list of rules")
        trial = Faults()
        trial.set_webhooks(WebhookFaults(**_knobs(WebhookFaults, given.get("webhooks", {}))))
        for rule in rules:
            trial.add_api(ApiFault(**_knobs(ApiFault, rule)))
        with self._lock:
            self._webhooks, self._api = trial._webhooks, trial._api


_TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "int | None": (int, type(None)),
    "tuple[str, ...]": (list,),
}


def _knobs(of: type[WebhookFaults] | type[ApiFault], given: object) -> Json:
    """The knobs that a JSON record names, with the types that their class says."""
    if not isinstance(given, dict):
        raise BadKnob("knobs are names with values")
    taken = {each.name: _TYPES[each.type.__name__ if isinstance(each.type, type) else str(each.type)] for each in fields(of)}
    for name, value in given.items():
        if name not in taken or not isinstance(value, taken[name]) or (isinstance(value, bool) and bool not in taken[name]):
            raise BadKnob(f"{name}: no such knob, or not a value of it")
    return {name: _listed(value) for name, value in given.items()}


def _listed(value: object) -> object:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    if not all(isinstance(each, str) for each in value):
        raise BadKnob("a list of event types")
    return tuple(value)
