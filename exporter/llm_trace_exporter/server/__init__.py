"""Who may come in: TLS, users, tokens and rate limits of the listeners.

`WebConfigGuard` holds what a listener's web configuration says, `TokenStore` the tokens of the
OTLP senders; both take changed files in while the exporter runs. `AdminAuth` stands in front of
the metrics listener, `ReceiverAuth` in front of the OTLP ones. `AccessControl` is all of them.
"""

from __future__ import annotations

from .access import AccessControl, PreparedAccess
from .tokens import check_files

__all__ = ["AccessControl", "PreparedAccess", "check_files"]
