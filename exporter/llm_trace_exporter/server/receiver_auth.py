"""Who may send OTLP: a token's owner, a user, or everybody, as is configured."""

from __future__ import annotations

from collections.abc import Callable

from ..consumer import ANYONE, Tenant
from ..receivers.auth import Credentials
from ..receivers.rejection import Refusal
from .tokens import TokenStore
from .web_config import WebConfigGuard

_CHALLENGE = 'Bearer realm="OTLP"'


class ReceiverAuth:
    """Implements `receivers.auth.Gate`."""

    def __init__(
        self, guard: WebConfigGuard, token_store: TokenStore, entered: Callable[[str], None]
    ) -> None:
        """Ask these; `entered` counts requests by the name of their token."""
        self._guard = guard
        self._token_store = token_store
        self._entered = entered

    async def enter(self, credentials: Credentials) -> Tenant:
        """Let a request in.

        Raises: Refusal when it may not, or not now.
        """
        self._guard.limit()
        if self._guard.listener == "otlp_grpc":
            # The other listeners end such a connection before its first request.
            self._guard.name(credentials)
        if not self._token_store:
            await self._guard.authenticate(credentials)
            return ANYONE
        token = self._token_store.find(credentials.bearer or credentials.password)
        if token is None:
            raise Refusal("unauthenticated", "no token that is known", challenge=_CHALLENGE)
        if token.bucket is not None and (wait_s := token.bucket.take()):
            raise Refusal("rate_limited", "too many requests with this token", wait_s)
        self._entered(token.tenant.name)
        return token.tenant
