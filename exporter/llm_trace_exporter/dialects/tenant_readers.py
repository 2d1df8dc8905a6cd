"""A reader for each set of labels that tokens fix, under one configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .context import Context
from .parser import RecordParser


class ParserPool:
    """Safe to call from several threads."""

    def __init__(self, context: Context) -> None:
        """Start with the reader of everybody else."""
        self.context = context
        self._by_labels: dict[tuple[tuple[str, str], ...], RecordParser] = {
            (): RecordParser(context)
        }

    def of(self, labels: tuple[tuple[str, str], ...]) -> RecordParser:
        """The reader for fixed labels; as many as the configuration has tokens."""
        reader = self._by_labels.get(labels)
        if reader is None:
            fixed = replace(self.context, fixed=dict(labels))
            reader = self._by_labels.setdefault(labels, RecordParser(fixed))
        return reader


def labels_of(context: Context) -> list[str]:
    """The labels of the dimensions, in order."""
    return [dimension.label for dimension in context.dimensions]


def moved_to(old: Sequence[str], new: Context) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """From values of the dimensions with old labels to values of the new ones, by label."""
    place = {label: at for at, label in enumerate(old)}
    places = tuple(place.get(dimension.label, -1) for dimension in new.dimensions)
    return lambda values: tuple(values[at] if 0 <= at < len(values) else "" for at in places)
