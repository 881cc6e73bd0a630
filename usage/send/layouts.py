"""One logged line becomes one usage event. Pure: the same line gives the same event, in whichever run it is read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from usage.send.fields import PRINTABLE, PUBLIC_ID, Line, Skipped, at, dollars, first_at, first_object, instant
from usage.send.tokens import Tokens, disjoint, inclusive

Event = dict[str, Any]

LAYOUTS: Final = ("openai", "anthropic", "litellm", "native")
_WRAPPINGS: Final = ("response", "response.body", "body", "message", "result.message")
"""Where a log keeps the provider's answer, if not at the top: proxies' logs, streams, and both providers' batch results."""
_ENDPOINTS: Final = {
    "chat.completion": "/v1/chat/completions",
    "text_completion": "/v1/completions",
    "response": "/v1/responses",
    "message": "/v1/messages",
}
_FAILED: Final = frozenset({"failed", "failure", "cancelled"})
_TIMES: Final = ("occurred_at", "created", "created_at", "timestamp")


@dataclass(frozen=True)
class Rules:
    """How lines are read. A `*_field` is a dotted path; maps say what a log's own names are called on the platform."""

    layout: str
    account: str | None = None
    account_field: str | None = None
    key_field: str | None = None
    model_field: str | None = None
    id_field: str | None = None
    time_field: str | None = None
    make_ids: str | None = None
    use_cost: bool = False
    other_as_text: bool = False
    charge_cache_hits: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)


class _SaidCost(msgspec.Struct):
    """LiteLLM's two names for what a call cost, undecoded: a float would lose nanos."""

    response_cost: msgspec.Raw = msgspec.Raw(b"null")
    spend: msgspec.Raw = msgspec.Raw(b"null")


def convert(raw: bytes, number: int, rules: Rules) -> Event:
    """The event of a line, the file's `number`th from 1. Raises Skipped with a code, and the event's id where that is known."""
    line = _decoded(raw)
    answer = line if rules.layout in ("native", "litellm") else _answer_of(line)
    event_id = _event_id(line, answer, raw, number, rules)
    try:
        event = {"event_id": event_id, "account": _account(line, rules)} | _key(line, rules)
        match rules.layout:
            case "native":
                said = _native(line, rules)
            case "litellm":
                said = _litellm(line, rules) | (_cost(raw) if rules.use_cost else {})
            case _:
                said = _of_provider(line, answer, rules)
    except Skipped as skipped:
        skipped.event_id = event_id
        raise
    return {name: value for name, value in (said | event).items() if value is not None}


def _decoded(raw: bytes) -> Line:
    try:
        line = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Skipped("unreadable", f"The line is not JSON: {error}."[:300]) from error
    if not isinstance(line, dict):
        raise Skipped("unreadable", "The line is not a JSON object.")
    return line


def _answer_of(line: Line) -> Line:
    """The provider's answer within the line: the first object that has `usage`."""
    candidates = (line, *(first_object(line, path) for path in _WRAPPINGS))
    for candidate in candidates:
        if isinstance(candidate.get("usage"), Mapping):
            return candidate
    raise Skipped("no_usage", "The line holds no answer with a usage object.", _text_of(line.get("id")))


def _event_id(line: Line, answer: Line, raw: bytes, number: int, rules: Rules) -> str:
    if rules.id_field is not None:
        found = at(line, rules.id_field)
    else:
        found = first_at(line, "event_id", *(("request_id", "id") if rules.layout == "litellm" else ()))
        if found is None and rules.layout != "native":
            found = answer.get("id")
    if found is None and rules.make_ids is not None:
        digest = hashlib.sha256(b"%b\0%d\0%b" % (rules.make_ids.encode(), number, raw.strip()))
        return f"line-{digest.hexdigest()[:40]}"
    if found is None:
        raise Skipped("no_event_id", "The line has no id to tell it from others by; see --id-field and --make-ids.")
    if not isinstance(found, str) or PRINTABLE.fullmatch(found) is None:
        raise Skipped("bad_event_id", "An event's id is 1 to 128 printable ASCII characters without spaces.", _text_of(found))
    return found


def _named_account(line: Line, rules: Rules) -> Any:  # noqa: ANN401 - JSON is whatever was logged
    """
    What the operator says wins, unless the operator says where the line tells it.

    Never by itself out of `metadata`: customers write that, and could name somebody else there.
    """
    if rules.account_field is None:
        return rules.account or line.get("account")
    return at(line, rules.account_field) or rules.account


def _account(line: Line, rules: Rules) -> str:
    named = _named_account(line, rules)
    account = rules.accounts.get(named, named) if isinstance(named, str) else None
    if account is None or PUBLIC_ID.fullmatch(account) is None:
        message = f"No account: 32 hexadecimal characters are needed, and there is {named!r:.60}; see --account, --account-field and --map."
        raise Skipped("no_account", message)
    return account


def _key(line: Line, rules: Rules) -> Event:
    named = None if rules.key_field is None else at(line, rules.key_field)
    if named is None:
        return {}
    key = rules.keys.get(named, named) if isinstance(named, str) else None
    if key is None or PUBLIC_ID.fullmatch(key) is None:
        # What stands there may be a secret: it is not repeated.
        raise Skipped("bad_api_key", "What --key-field names is no key's public id, and the map does not know it.")
    return {"api_key": key}


def _native(line: Line, rules: Rules) -> Event:
    return dict(line) | ({} if line.get("model") is None else {"model": _model(line, line, rules)})


def _of_provider(line: Line, answer: Line, rules: Rules) -> Event:
    usage = first_object(answer, "usage")
    tokens = disjoint(usage) if rules.layout == "anthropic" else inclusive(usage, other_as_text=rules.other_as_text)
    when = at(line, rules.time_field) if rules.time_field else first_at(answer, *_TIMES)
    if when is None and not rules.time_field:
        when = first_at(line, *_TIMES)
    said = {
        "model": _model(line, answer, rules),
        "status": _status(answer),
        "occurred_at": instant(when),
        "endpoint": _ENDPOINTS.get(str(answer.get("object") or answer.get("type"))),
    }
    return said | _quantities(tokens)


def _litellm(line: Line, rules: Rules) -> Event:
    if str(line.get("cache_hit")).lower() == "true" and not rules.charge_cache_hits:
        raise Skipped("cache_hit", "The proxy answered from its own cache and called no model; --charge-cache-hits sends such calls.")
    tokens = inclusive(_litellm_usage(line), other_as_text=rules.other_as_text)
    said = {
        "model": _model(line, line, rules),
        "status": _status(line),
        "occurred_at": instant(at(line, rules.time_field or "startTime")),
        "endpoint": _text_of(line.get("call_type"), 64),
    }
    return said | _quantities(tokens)


def _cost(raw: bytes) -> Event:
    """What the proxy says that the call cost, as the line spells it."""
    said = msgspec.json.decode(raw, type=_SaidCost)
    spelled = next((bytes(cost) for cost in (said.response_cost, said.spend) if bytes(cost) != b"null"), None)
    return {} if spelled is None else {"cost": dollars(spelled)}


def _litellm_usage(line: Line) -> Line:
    """The counts of the line itself; the parts of them stand in its metadata, which spend logs keep as text at times."""
    metadata = line.get("metadata")
    if isinstance(metadata, str):
        metadata = _decoded(metadata.encode())
    found = first_object({"metadata": metadata}, "metadata.usage_object", "metadata.additional_usage_values")
    own = {name: line[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens") if line.get(name) is not None}
    return dict(found) | own


def _model(line: Line, answer: Line, rules: Rules) -> str:
    named = at(line, rules.model_field) if rules.model_field else answer.get("model")
    if not isinstance(named, str) or not named:
        raise Skipped("no_model", "The line names no model.")
    return rules.models.get(named, named)


def _status(answer: Line) -> str:
    return "failed" if answer.get("status") in _FAILED else "success"


def _quantities(tokens: Tokens) -> Event:
    return {f"{name}_tokens": amount for name, amount in tokens._asdict().items() if amount}


def _text_of(value: object, most: int = 128) -> str | None:
    return value[:most] if isinstance(value, str) and value else None
