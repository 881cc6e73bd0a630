"""
What providers count, as the platform's five classes of tokens, no token in two of them.

OpenAI and LiteLLM count cached and written tokens in the prompt, and reasoning in the completion. Anthropic counts each once, as we do.
"""

from typing import Final, NamedTuple

from usage.send.fields import Line, Skipped, count, first_at, first_object

_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_ANTHROPIC_ONLY: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
_WITHOUT_CLASS: Final = ("audio_tokens", "image_tokens")
"""They stand within the prompt and the completion, and providers price them apart. The price book has no class for them."""


class Tokens(NamedTuple):
    """The five classes, disjoint."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


def inclusive(usage: Line, *, other_as_text: bool) -> Tokens:
    """
    Of a usage object of OpenAI (chat completions, responses, embeddings) or LiteLLM.

    Raises Skipped `no_tokens`, `wrong_layout`, `bad_count`, `tokens_without_class`, `impossible_tokens`.
    """
    is_prompt = usage.get("prompt_tokens") is not None
    if not is_prompt and usage.get("input_tokens") is None:
        raise Skipped("no_tokens", "usage has neither prompt_tokens nor input_tokens.")
    if not is_prompt and any(usage.get(name) is not None for name in _ANTHROPIC_ONLY):
        raise Skipped("wrong_layout", "usage is Anthropic's; send it with --layout anthropic.")
    input_details, output_details = first_object(usage, *_INPUT_DETAILS), first_object(usage, *_OUTPUT_DETAILS)
    if not other_as_text:
        _refuse_without_class(input_details, output_details)
    whole, made = count(usage, "prompt_tokens", "input_tokens"), count(usage, "completion_tokens", "output_tokens")
    # The details first: where a proxy tells the same number twice, it stands there as well.
    read = count(input_details, "cached_tokens") or count(usage, "cache_read_input_tokens")
    written = count(input_details, "cache_creation_tokens", "cache_write_tokens") or count(usage, "cache_creation_input_tokens")
    reasoning = count(output_details, "reasoning_tokens")
    if read + written > whole:
        raise Skipped("impossible_tokens", f"{read} cached and {written} written tokens cannot be part of a prompt of {whole}.")
    output = made - _reasoning_within(usage, whole + made, reasoning)
    if output < 0:
        raise Skipped("impossible_tokens", f"{reasoning} reasoning tokens cannot be part of a completion of {made}.")
    return Tokens(whole - read - written, output, read, written, reasoning)


def disjoint(usage: Line) -> Tokens:
    """Of a usage object of Anthropic. Raises Skipped `no_tokens`, `wrong_layout`, `bad_count`, `impossible_tokens`."""
    if usage.get("prompt_tokens") is not None or first_at(usage, "input_tokens_details", "total_tokens") is not None:
        raise Skipped("wrong_layout", "usage is OpenAI's; send it with --layout openai.")
    if usage.get("input_tokens") is None:
        raise Skipped("no_tokens", "usage has no input_tokens.")
    written, output = count(usage, "cache_creation_input_tokens"), count(usage, "output_tokens")
    parts = first_object(usage, "cache_creation")
    if parts and sum(count(parts, name) for name in parts) != written:
        raise Skipped("impossible_tokens", f"cache_creation does not add up to cache_creation_input_tokens, {written}.")
    thinking = count(usage, "output_tokens_details.thinking_tokens")
    if thinking > output:
        raise Skipped("impossible_tokens", f"{thinking} thinking tokens cannot be part of an output of {output}.")
    return Tokens(count(usage, "input_tokens"), output - thinking, count(usage, "cache_read_input_tokens"), written, thinking)


def _refuse_without_class(*details: Line) -> None:
    for name in _WITHOUT_CLASS:
        if any(count(one, name) for one in details):
            message = f"usage has {name}, for which there is no class of tokens; --other-as-text charges them as ordinary tokens."
            raise Skipped("tokens_without_class", message)


def _reasoning_within(usage: Line, both: int, reasoning: int) -> int:
    """
    How much of the reasoning the completion counts: all, or nothing where the total shows that it stands beside it.

    Some providers that speak OpenAI's format do the latter.
    """
    total = count(usage, "total_tokens")
    if total in (0, both):
        return reasoning
    if total == both + reasoning:
        return 0
    raise Skipped("impossible_tokens", f"total_tokens is {total}, but prompt and completion have {both}, and reasoning {reasoning}.")
