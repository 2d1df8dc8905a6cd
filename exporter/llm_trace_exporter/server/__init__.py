"""Who may come in: TLS, users, tokens and rate limits of the listeners.

`Guard` holds what a listener's web configuration says, `Keyring` the tokens of the OTLP senders;
both take changed files in while the exporter runs. `Door` stands in front of the metrics listener,
`OtlpGate` in front of the OTLP ones. `Security` is all of them together.
"""

from __future__ import annotations

from .access import PreparedSecurity, Security
from .tokens import check_files

__all__ = ["PreparedSecurity", "Security", "check_files"]
