"""What the end-to-end tests share."""

from __future__ import annotations

from tests.otlp.test_node_sdk import node_folder

__all__ = ["node_folder"]
