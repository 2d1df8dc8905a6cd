"""What the native engine hands back, as the reading of protobuf takes it.

It reads what every emitter sends; what is odd is read, judged and worded in Python, as if it had
come alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from .attributes import KeyFilter
from .from_json import OUTLINES, records_of
from .records import Resource, Scope, SignalName

Part: TypeAlias = "tuple[Resource, Scope, Iterable[bytes], str, bytes, int]"
"""Records of a scope, serialised: resource, scope, records, their path, 32 bytes that stand for
resource and scope together, and the place of the first."""

Odd: TypeAlias = "tuple[bool, bytes, Resource, Scope, bytes, int, int, int]"
"""A record that is handed back: whether it is JSON, its bytes, resource, scope, what stands for
them, and the places of its group, its scope and itself."""


def parts_of(signal: SignalName, keep: KeyFilter, rejected: list[str], odd: Odd) -> Iterator[Part]:
    """A record that was handed back, alone in its scope."""
    is_json, raw, resource, scope, identity, group_at, scope_at, at = odd
    outline = OUTLINES[signal]
    where = (
        f"{outline.request.parts}[{group_at}].{outline.group.parts}[{scope_at}]."
        f"{outline.scope.parts}"
    )
    records: Iterable[bytes] = (raw,)
    if is_json:
        records = records_of((raw,), where, outline, keep, rejected, at)
    yield resource, scope, records, where, identity, at
