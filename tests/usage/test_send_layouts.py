"""What each layout of a log becomes: the numbers are computed by hand. Nothing is clamped, and nothing is left out in silence."""

import json
from typing import Any, Final

import pytest

from usage.send.fields import Skipped
from usage.send.layouts import Rules, convert

ACCOUNT: Final = "0123456789abcdef0123456789abcdef"
OTHER: Final = "f" * 32
CHAT: Final[dict[str, Any]] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_780_000_000,
    "model": "gpt-4o",
    "usage": {
        "prompt_tokens": 1_000,
        "completion_tokens": 300,
        "total_tokens": 1_300,
        "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 120, "audio_tokens": 0},
    },
}
RESPONSE: Final[dict[str, Any]] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_780_000_000.25,
    "status": "completed",
    "model": "gpt-4o",
    "usage": {
        "input_tokens": 50,
        "input_tokens_details": {"cached_tokens": 50},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 60,
    },
}
MESSAGE: Final[dict[str, Any]] = {
    "id": "msg_1",
    "type": "message",
    "model": "claude-haiku-4-5",
    "usage": {
        "input_tokens": 7,
        "output_tokens": 90,
        "cache_creation_input_tokens": 2_000,
        "cache_read_input_tokens": 30_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1_500, "ephemeral_1h_input_tokens": 500},
    },
}
PAYLOAD: Final[dict[str, Any]] = {
    "id": "req-1",
    "call_type": "acompletion",
    "status": "success",
    "model": "claude-haiku-4-5",
    "prompt_tokens": 32_007,
    "completion_tokens": 90,
    "total_tokens": 32_097,
    "response_cost": 2.85e-05,
    "startTime": 1_780_000_000.5,
    "endTime": 1_780_000_002.0,
    "cache_hit": False,
    "metadata": {
        "user_api_key_hash": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "user_api_key_team_id": "team-a",
        "usage_object": {
            "prompt_tokens": 32_007,
            "completion_tokens": 90,
            "prompt_tokens_details": {"cached_tokens": 30_000, "cache_creation_tokens": 2_000},
            "cache_read_input_tokens": 30_000,
            "cache_creation_input_tokens": 2_000,
        },
    },
}
SPEND_LOG: Final[dict[str, Any]] = {
    "request_id": "chatcmpl-9",
    "id": "not this one",
    "call_type": "aembedding",
    "status": "failure",
    "model": "gpt-4o",
    "spend": 0.25,
    "prompt_tokens": 12,
    "completion_tokens": 0,
    "total_tokens": 12,
    "startTime": "2026-05-28 20:26:40.500",
    "cache_hit": "None",
    "metadata": json.dumps({"additional_usage_values": {"prompt_tokens_details": {"cached_tokens": 2}}}),
}


def converted(layout: str, line: dict[str, Any], number: int = 1, **rules: Any) -> dict[str, Any]:
    return convert(json.dumps(line).encode(), number, Rules(layout, **{"account": ACCOUNT, **rules}))


def why_not(layout: str, line: dict[str, Any], **rules: Any) -> str:
    with pytest.raises(Skipped) as skipped:
        converted(layout, line, **rules)
    return skipped.value.code


def with_usage(line: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return line | {"usage": line["usage"] | changed}


def test_a_chat_completion_counts_cached_and_reasoning_tokens_once() -> None:
    assert converted("openai", CHAT) == {
        "event_id": "chatcmpl-1",
        "account": ACCOUNT,
        "model": "gpt-4o",
        "status": "success",
        "occurred_at": "2026-05-28T20:26:40Z",
        "endpoint": "/v1/chat/completions",
        "input_tokens": 600,
        "cache_read_tokens": 400,
        "output_tokens": 180,
        "reasoning_tokens": 120,
    }


def test_a_response_may_be_all_cached_and_all_reasoning() -> None:
    event = converted("openai", RESPONSE)
    assert (event["cache_read_tokens"], event["reasoning_tokens"]) == (50, 10)
    assert "input_tokens" not in event
    assert "output_tokens" not in event
    assert (event["occurred_at"], event["endpoint"]) == ("2026-05-28T20:26:40.250000Z", "/v1/responses")


def test_a_message_of_anthropic_is_disjoint_already() -> None:
    event = converted("anthropic", MESSAGE | {"created_at": "2026-05-28T22:26:40+02:00"})
    tokens = {name: event[name] for name in event if name.endswith("_tokens")}
    assert tokens == {"input_tokens": 7, "output_tokens": 90, "cache_write_tokens": 2_000, "cache_read_tokens": 30_000}
    assert (event["occurred_at"], event["endpoint"]) == ("2026-05-28T20:26:40Z", "/v1/messages")


def test_thinking_that_is_told_apart_is_taken_out_of_the_output() -> None:
    event = converted("anthropic", with_usage(MESSAGE, output_tokens_details={"thinking_tokens": 60}))
    assert (event["output_tokens"], event["reasoning_tokens"]) == (30, 60)


def test_litellm_counts_what_was_cached_and_written_in_the_prompt() -> None:
    assert converted("litellm", PAYLOAD) == {
        "event_id": "req-1",
        "account": ACCOUNT,
        "model": "claude-haiku-4-5",
        "status": "success",
        "occurred_at": "2026-05-28T20:26:40.500000Z",
        "endpoint": "acompletion",
        "input_tokens": 7,
        "output_tokens": 90,
        "cache_read_tokens": 30_000,
        "cache_write_tokens": 2_000,
    }


def test_a_spend_log_of_litellm_keeps_its_metadata_as_text() -> None:
    event = converted("litellm", SPEND_LOG)
    assert (event["event_id"], event["status"], event["occurred_at"]) == ("chatcmpl-9", "failed", "2026-05-28T20:26:40.500000Z")
    assert (event["input_tokens"], event["cache_read_tokens"]) == (10, 2)


def test_another_meters_price_is_sent_only_where_it_is_asked_for() -> None:
    assert "cost" not in converted("litellm", PAYLOAD)
    assert converted("litellm", PAYLOAD, use_cost=True)["cost"] == "0.000028500"
    assert converted("litellm", SPEND_LOG, use_cost=True)["cost"] == "0.250000000"
    assert why_not("litellm", PAYLOAD | {"response_cost": -1}, use_cost=True) == "bad_cost"


def priced(spelled: str) -> dict[str, Any]:
    """A call whose cost is spelled like this, in JSON."""
    line = json.dumps(PAYLOAD).replace("2.85e-05", spelled)
    return convert(line.encode(), 1, Rules("litellm", ACCOUNT, use_cost=True))


@pytest.mark.parametrize(
    ("spelled", "sent"),
    [
        ("1234567890.123456789", "1234567890.123456789"),
        ("9007199.254740993", "9007199.254740993"),
        ("0.0000000025", "0.000000002"),
        ("0.0000000035", "0.000000004"),
        ("0.00000000250000000000000000000000000001", "0.000000003"),
        ("6e-10", "0.000000001"),
        ("12E1", "120.000000000"),
        ("0", "0.000000000"),
        ("-0.0", "0.000000000"),
        ("0e-400", "0.000000000"),
    ],
)
def test_another_meters_price_is_read_as_it_is_spelled_and_rounded_once(spelled: str, sent: str) -> None:
    assert priced(spelled)["cost"] == sent


@pytest.mark.parametrize(
    "spelled",
    ["0.0000000004", "5e-10", "1e-400", "1e-99999999999999999999", "-1e-400", "10000000000", "1e300", '"0.5"', "true", "[]"],
)
def test_a_price_that_would_be_nothing_or_is_no_price_is_refused(spelled: str) -> None:
    with pytest.raises(Skipped) as skipped:
        priced(spelled)
    assert (skipped.value.code, skipped.value.event_id) == ("bad_cost", "req-1")


def test_what_litellm_answered_from_its_cache_is_not_sent_unless_asked_for() -> None:
    for hit in (True, "True"):
        assert why_not("litellm", PAYLOAD | {"cache_hit": hit}) == "cache_hit"
        assert converted("litellm", PAYLOAD | {"cache_hit": hit}, charge_cache_hits=True)["input_tokens"] == 7


def test_an_event_of_our_own_goes_as_it_is() -> None:
    native = {"event_id": "e-1", "account": OTHER, "model": "gpt-4o", "input_tokens": 5, "images": 2, "metadata": {"user": "u"}}
    assert converted("native", native, account=None) == native
    assert converted("native", {"event_id": "e-1", "model": "gpt-4o"})["account"] == ACCOUNT


@pytest.mark.parametrize("layout", ["openai", "litellm", "native"])
def test_what_a_line_says_never_wins_against_the_account_that_was_asked_for(layout: str) -> None:
    """Customers write the metadata of their calls, and the answer repeats it."""
    line = {"openai": CHAT, "litellm": PAYLOAD, "native": {"event_id": "e-1", "model": "gpt-4o"}}[layout]
    for said in ({"metadata": {"account": OTHER}}, {"account": OTHER}, {"account": OTHER, "metadata": {"account": OTHER}}):
        assert converted(layout, line | said)["account"] == ACCOUNT
    assert converted("openai", {"response": CHAT | {"metadata": {"account": OTHER}}})["account"] == ACCOUNT


@pytest.mark.parametrize("layout", ["openai", "litellm", "native"])
def test_metadata_names_an_account_only_where_it_is_asked_for(layout: str) -> None:
    line = {"openai": CHAT, "litellm": PAYLOAD, "native": {"event_id": "e-1", "model": "gpt-4o"}}[layout]
    metadata = {"metadata": {"account": OTHER}}
    assert why_not(layout, line | metadata, account=None) == "no_account"
    assert converted(layout, line | {"account": OTHER}, account=None)["account"] == OTHER
    assert converted(layout, line | metadata, account_field="metadata.account")["account"] == OTHER
    assert converted(layout, line, account_field="metadata.account")["account"] == ACCOUNT


@pytest.mark.parametrize("wrapping", ["response", "response.body", "body", "message", "result.message"])
def test_the_answer_is_found_where_logs_and_batches_keep_it(wrapping: str) -> None:
    line: dict[str, Any] = CHAT
    for name in reversed(wrapping.split(".")):
        line = {name: line}
    assert converted("openai", {"account": OTHER} | line, account=None) == converted("openai", CHAT) | {"account": OTHER}


def test_the_account_the_key_and_the_model_may_be_named_otherwise_in_a_log() -> None:
    event = converted(
        "litellm",
        PAYLOAD,
        account_field="metadata.user_api_key_team_id",
        key_field="metadata.user_api_key_hash",
        accounts={"team-a": OTHER},
        keys={PAYLOAD["metadata"]["user_api_key_hash"]: "e" * 32},
        models={"claude-haiku-4-5": "haiku"},
    )
    assert (event["account"], event["api_key"], event["model"]) == (OTHER, "e" * 32, "haiku")


def test_a_key_that_is_not_a_public_id_is_neither_sent_nor_repeated() -> None:
    with pytest.raises(Skipped) as skipped:
        converted("openai", CHAT | {"key": "sk_live_secret"}, key_field="key")
    assert skipped.value.code == "bad_api_key"
    assert "secret" not in skipped.value.message


def test_reasoning_that_stands_beside_the_completion_is_not_taken_out_of_it() -> None:
    beside = with_usage(CHAT, total_tokens=1_420)  # 1,000 + 300 + 120: the total says so.
    event = converted("openai", beside)
    assert (event["output_tokens"], event["reasoning_tokens"]) == (300, 120)


IMPOSSIBLE: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "more cached than prompted": ("openai", with_usage(CHAT, prompt_tokens_details={"cached_tokens": 1_001}), "impossible_tokens"),
    "more reasoned than made": (
        "openai",
        with_usage(CHAT, completion_tokens_details={"reasoning_tokens": 301}, total_tokens=None),
        "impossible_tokens",
    ),
    "a total of something else": ("openai", with_usage(CHAT, total_tokens=1_301), "impossible_tokens"),
    "a negative number": ("openai", with_usage(CHAT, prompt_tokens=-1), "bad_count"),
    "a fraction": ("openai", with_usage(CHAT, completion_tokens=1.5), "bad_count"),
    "a truth": ("anthropic", with_usage(MESSAGE, output_tokens=True), "bad_count"),
    "parts that do not add up": ("anthropic", with_usage(MESSAGE, cache_creation_input_tokens=1_999), "impossible_tokens"),
    "Anthropic's numbers as OpenAI's": ("openai", MESSAGE, "wrong_layout"),
    "OpenAI's numbers as Anthropic's": ("anthropic", CHAT, "wrong_layout"),
    "responses as Anthropic's": ("anthropic", RESPONSE, "wrong_layout"),
    "numbers under no known name": ("openai", CHAT | {"usage": {"tokens": 5}}, "no_tokens"),
    "an error instead of an answer": ("openai", {"id": "x", "error": {"code": 500}}, "no_usage"),
    "no model": ("openai", CHAT | {"model": None}, "no_model"),
    "a time that is none": ("openai", CHAT | {"created": "yesterday"}, "bad_time"),
    "no id": ("openai", CHAT | {"id": None}, "no_event_id"),
    "an id with a space": ("openai", CHAT | {"id": "a b"}, "bad_event_id"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_is_not_sent(name: str) -> None:
    layout, line, code = IMPOSSIBLE[name]
    assert why_not(layout, line) == code


def test_an_account_that_is_none_is_not_sent() -> None:
    assert why_not("openai", CHAT | {"account": "alice"}, account=None) == "no_account"


@pytest.mark.parametrize("kind", ["audio_tokens", "image_tokens"])
def test_tokens_without_a_class_are_not_charged_as_text_unless_asked_for(kind: str) -> None:
    line = with_usage(CHAT, prompt_tokens_details={kind: 10})
    assert why_not("openai", line) == "tokens_without_class"
    assert converted("openai", line, other_as_text=True)["input_tokens"] == 1_000


def test_ids_that_are_made_stay_the_same_and_tell_lines_and_names_apart() -> None:
    nameless = CHAT | {"id": None}
    made = [converted("openai", nameless, number, make_ids=name)["event_id"] for number, name in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))]
    assert made[0] == made[1]
    assert len(set(made)) == 3
    assert all(len(one) == 45 for one in made)


def test_an_id_of_the_log_may_be_chosen() -> None:
    assert converted("openai", CHAT | {"trace": {"id": "t-1"}}, id_field="trace.id")["event_id"] == "t-1"
    assert converted("openai", CHAT | {"event_id": "said"})["event_id"] == "said"
