"""Token counts of one record, made disjoint.

Whether the input contains cached tokens is a property of the emitter, never of the provider. A
count of cached tokens larger than the input proves that it does not; nothing proves that it does.
"""

from __future__ import annotations

from ..model import Tokens
from .schema import RecordView


def read_tokens(view: RecordView, exclusive_cache: bool) -> Tokens | None:
    """Disjoint counts; None when the record says nothing, or only zeros (which say nothing).

    Raises: RejectedRecord for counts that cannot be true.
    """
    given_input, given_output = view.count("input"), view.count("output")
    if not given_input and not given_output:
        return None
    total_input, total_output = given_input or 0, given_output or 0
    if "usage_details" not in view.groups:
        return Tokens(input=total_input, output=total_output)
    read, read_apart = view.detail("cache_read")
    write, write_apart = view.detail("cache_write")
    thought, thought_apart = view.detail("reasoning")
    audio_input, audio_output = view.count("audio_input") or 0, view.count("audio_output") or 0
    extra_input = view.count("tool_input") or 0
    if not (read or write or thought or audio_input or audio_output or extra_input):
        return Tokens(input=total_input, output=total_output)
    total = view.count("total")

    if extra_input and total == total_input + extra_input + total_output + thought:
        total_input += extra_input
    uncached = total_input
    additive = (read and read_apart) or (write and write_apart)
    if not (exclusive_cache or additive or read + write > total_input):
        uncached -= read + write
    if thought > total_output or (thought > 0 and total == total_input + total_output + thought):
        thought_apart = True
    uncached = max(0, uncached)
    written = total_output if thought_apart else total_output - thought
    audio_input, audio_output = min(audio_input, uncached), min(audio_output, written)
    return Tokens(
        input=uncached - audio_input,
        cache_read=read,
        cache_write=write,
        output=written - audio_output,
        reasoning=thought,
        audio_input=audio_input,
        audio_output=audio_output,
    )
