"""One test of many files, rules or rows: it looks at all of them and names each that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_T = TypeVar("_T")


def every(
    items: Iterable[_T], named: Callable[[_T], object] = str
) -> Callable[[Callable[[_T], None]], Callable[[], None]]:
    """Make the check of one item a test of all.

    A case of its own for each of thousands costs more than the check.

    Args:
        items: Not empty.
        named: What a failure calls an item.
    """
    found = tuple(items)

    def make(check: Callable[[_T], None]) -> Callable[[], None]:
        def test() -> None:
            assert found, "nothing to check"
            failures = []
            for item in found:
                try:
                    check(item)
                except Exception as error:
                    failures.append(f"{named(item)}: {type(error).__name__}: {error}")
            assert not failures, "\n".join([f"{len(failures)} of {len(found)}", *failures])

        # Not `functools.wraps`: pytest would look for a fixture of the item's name.
        test.__name__, test.__qualname__, test.__doc__ = (
            check.__name__,
            check.__qualname__,
            check.__doc__,
        )
        test.__module__ = check.__module__
        return test

    return make
