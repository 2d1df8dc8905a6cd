"""The HTTP application of the metrics listener: scrapes, probes, administration, a page to look at.

OTLP is taken on a listener of its own (`receivers.otlp_http`).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from html import escape
from typing import Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from ..errors import ExporterError, Overloaded
from ..metrics.negotiation import choose
from .render_queue import RenderQueue

_GZIP_LEVEL = 3
_MAX_NAMES = 1_000
_MAX_WAITING = 64
_TRACE_ID = re.compile("[0-9a-fA-F]{32}")
_EXPLAINED_AS = {"": "application/json", "json": "application/json", "text": "text/plain"}
_EXPLAIN_USAGE = (
    "trace_id: 32 hexadecimal digits, or none for log records outside of a trace; "
    "format: json or text\n"
)
_NOT_KEPT = "Nothing of this trace is kept: limits.max_explained says how many records are.\n"


@dataclass(frozen=True, slots=True)
class Overview:
    """What the landing page tells."""

    version: str
    uptime_s: float
    listeners: tuple[tuple[str, str], ...]
    """(what it is for, host:port)."""
    figures: tuple[tuple[str, int], ...]
    """(what is counted, how many): records received, calls waiting to settle, series."""


class Admin(Protocol):
    """What the application needs from the exporter; called in worker threads but where it says."""

    def unready(self) -> str:
        """Why traffic should go elsewhere (starting, draining); empty when ready.

        Called in the event loop: must return at once.
        """
        ...

    def render(self, accept: str, names: list[str]) -> tuple[bytes, str]:
        """The exposition for an Accept header, and its content type.

        `names` asks for these families only; empty for all.
        """
        ...

    def reload(self) -> None:
        """Take the configuration file anew.

        Raises: ExporterError when it cannot be used; the old one stays.
        """
        ...

    def config_yaml(self) -> str:
        """The effective configuration, secrets masked."""
        ...

    def explain(self, trace_id: bytes, *, as_text: bool) -> str | None:
        """What was decided of the records of a trace, as JSON or as text.

        An empty id asks for the log records outside of any trace. None where none is kept.
        """
        ...

    def not_understood(self) -> bytes:
        """What looks like calls and could not be read: names of scopes, spans and attributes.

        As JSON; at most some dozens.
        """
        ...

    def overview(self) -> Overview:
        """The landing page's numbers."""
        ...


class Web:
    """Handlers and their worker threads; `app` is the ASGI application.

    Whole expositions have a worker of their own, so that nothing else keeps a scrape waiting.
    """

    def __init__(
        self,
        admin: Admin,
        *,
        telemetry_path: str = "/metrics",
        route_prefix: str = "/",
        has_lifecycle: Callable[[], bool] = lambda: False,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare the routes.

        Args:
            admin: Answers.
            telemetry_path: Path of the exposition.
            route_prefix: Path before all routes.
            has_lifecycle: Whether what changes the exporter's state may be asked for.
            refused: Is told the reason of each request to change it that was refused.
        """
        self._admin = admin
        self._prefix = "/" + route_prefix.strip("/") if route_prefix.strip("/") else ""
        self._telemetry_path = self._prefix + "/" + telemetry_path.strip("/")
        self._has_lifecycle = has_lifecycle
        self._refused = refused
        self._scrapes = RenderQueue("scrapes", _MAX_WAITING)
        self._rest = RenderQueue("web", _MAX_WAITING)
        self.app = Starlette(routes=self._routes(), exception_handlers={Overloaded: _come_again})

    def close(self) -> None:
        """End the worker threads."""
        self._scrapes.close()
        self._rest.close()

    def _routes(self) -> list[Route]:
        prefix = self._prefix
        routes = [
            Route(self._telemetry_path, self._metrics, methods=["GET"]),
            Route(f"{prefix}/-/healthy", self._healthy, methods=["GET"]),
            Route(f"{prefix}/-/ready", self._ready, methods=["GET"]),
            Route(f"{prefix}/-/reload", self._reload, methods=["POST", "PUT"]),
            Route(f"{prefix}/-/explain", self._explain, methods=["GET"]),
            Route(f"{prefix}/-/not-understood", self._not_understood, methods=["GET"]),
            Route(f"{prefix}/config", self._config, methods=["GET"]),
            Route(f"{prefix}/", self._landing, methods=["GET"]),
        ]
        if prefix:
            routes += [Route(path, self._to_landing, methods=["GET"]) for path in ("/", prefix)]
        return routes

    async def _metrics(self, request: Request) -> Response:
        accept = ",".join(request.headers.getlist("accept"))
        names = request.query_params.getlist("name[]")
        if len(names) > _MAX_NAMES:
            return PlainTextResponse(f"at most {_MAX_NAMES} names\n", 400)
        packed = _accepts_gzip(request)
        choice = choose(accept)

        def work() -> bytes:
            body, _ = self._admin.render(accept, names)
            return gzip.compress(body, _GZIP_LEVEL) if packed else body

        # Whoever asks for some families only does not hold up those who ask for all.
        lane = self._rest if names else self._scrapes
        key: Hashable = (choice.format, packed, frozenset(names))
        headers = {"Content-Type": choice.content_type, "Vary": "Accept, Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(await lane.run(key, work), headers=headers)

    async def _healthy(self, _: Request) -> Response:
        return PlainTextResponse("Healthy\n")

    async def _ready(self, _: Request) -> Response:
        reason = self._admin.unready()
        return PlainTextResponse(f"{reason}\n", 503) if reason else PlainTextResponse("Ready\n")

    async def _reload(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        problem = await self._rest.run("reload", self._reloaded)
        if problem:
            return PlainTextResponse(f"failed to reload the configuration:\n{problem}\n", 500)
        return PlainTextResponse("Reloaded\n")

    def _refusal(self, request: Request) -> Response | None:
        """Why only those who administrate the exporter are answered; None for them."""
        if _is_cross_origin(request):
            self._refused("cross_origin")
            return PlainTextResponse("Cross-origin requests are not allowed.\n", 403)
        if not self._has_lifecycle():
            self._refused("lifecycle_disabled")
            return PlainTextResponse("Lifecycle API is not enabled.\n", 403)
        return None

    async def _explain(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        asked, form = (request.query_params.get(key, "") for key in ("trace_id", "format"))
        if not (_TRACE_ID.fullmatch(asked) or asked == "none") or form not in _EXPLAINED_AS:
            return PlainTextResponse(_EXPLAIN_USAGE, 400)
        trace_id = b"" if asked == "none" else bytes.fromhex(asked)
        as_text = form == "text"

        def work() -> str | None:
            return self._admin.explain(trace_id, as_text=as_text)

        found = await self._rest.run(("explain", trace_id, as_text), work)
        if found is None:
            return PlainTextResponse(_NOT_KEPT, 404)
        return Response(
            found, media_type=_EXPLAINED_AS[form], headers={"Cache-Control": "no-store"}
        )

    def _reloaded(self) -> str:
        """What keeps the configuration from being used; empty when it is in force."""
        try:
            self._admin.reload()
        except ExporterError as error:
            return str(error) or type(error).__name__
        return ""

    async def _config(self, _: Request) -> Response:
        return PlainTextResponse(await self._rest.run("config", self._admin.config_yaml))

    async def _not_understood(self, _: Request) -> Response:
        body = await self._rest.run("not_understood", self._admin.not_understood)
        return Response(body, media_type="application/json")

    async def _to_landing(self, _: Request) -> Response:
        return RedirectResponse(f"{self._prefix}/")

    async def _landing(self, _: Request) -> Response:
        overview = await self._rest.run("overview", self._admin.overview)
        links = (
            (self._telemetry_path, "Metrics"),
            (f"{self._prefix}/config", "Configuration"),
            (f"{self._prefix}/-/not-understood", "Not understood"),
            (f"{self._prefix}/-/healthy", "Healthy"),
            (f"{self._prefix}/-/ready", "Ready"),
        )
        return HTMLResponse(_page(overview, links), headers=_PAGE_HEADERS)


async def _come_again(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 503, {"Retry-After": "1"})


def _is_cross_origin(request: Request) -> bool:
    """Whether a page of another origin has a browser send this.

    Source: Go, net/http, CrossOriginProtection.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


def _accepts_gzip(request: Request) -> bool:
    """Whether gzip is acceptable: named (or `*`) with a quality that is not zero."""
    qualities: dict[str, float] = {}
    for item in ",".join(request.headers.getlist("accept-encoding")).split(","):
        coding, _, parameter = item.partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0
        qualities[coding.strip().lower()] = quality
    return qualities.get("gzip", qualities.get("*", 0)) > 0


def _duration(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    parts = ((days, "d"), (hour, "h"), (minute, "min"), (second, "s"))
    shown = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(shown[:2]) or "0 s"


def _page(overview: Overview, links: tuple[tuple[str, str], ...]) -> str:
    figures = "".join(
        f"<li><b>{number:,}</b> {escape(label)}</li>" for label, number in overview.figures
    )
    listeners = "".join(
        f"<tr><th scope=row>{escape(purpose)}</th><td><code>{escape(address)}</code></td></tr>"
        for purpose, address in overview.listeners
    )
    anchors = "".join(f'<a href="{escape(path)}">{escape(text)}</a>' for path, text in links)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>LLM Trace Exporter</title><style>{_STYLE}</style></head><body><main>"
        "<header><h1>LLM Trace Exporter</h1>"
        f"<p>version {escape(overview.version)} &middot; up {_duration(overview.uptime_s)}</p>"
        f"</header><nav>{anchors}</nav><ul>{figures}</ul>"
        f"<table><caption>Listening on</caption>{listeners}</table>"
        "</main></body></html>"
    )


_STYLE = """
:root{color-scheme:light dark;--line:#d8dee6;--soft:#5b6675;--card:#fff;--page:#f4f6f9;
--ink:#18202b;--accent:#c2410c}
@media(prefers-color-scheme:dark){:root{--line:#2d3643;--soft:#9aa7b8;--card:#171d26;
--page:#0f141b;--ink:#e8edf4;--accent:#fb923c}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:44rem;margin:0 auto;padding:3rem 1.25rem}
h1{margin:0;font-size:1.75rem;letter-spacing:-.01em}
header p{margin:.25rem 0 0;color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:.5rem;margin:1.5rem 0}
nav a{padding:.4rem .9rem;border:1px solid var(--line);border-radius:.5rem;
background:var(--card);color:var(--ink);text-decoration:none}
nav a:first-child{background:var(--accent);border-color:var(--accent);color:var(--page)}
nav a:hover,nav a:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
ul{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;
margin:0 0 1.5rem;padding:0;list-style:none}
li{padding:1rem;border:1px solid var(--line);border-radius:.75rem;background:var(--card);
color:var(--soft)}
li b{display:block;color:var(--ink);font-size:1.5rem;font-variant-numeric:tabular-nums}
table{width:100%;border-collapse:collapse}
caption{padding-bottom:.25rem;text-align:left;color:var(--soft)}
th,td{padding:.5rem .25rem;border-top:1px solid var(--line);text-align:left;font-weight:400}
td{text-align:right}
code{font:.9em ui-monospace,monospace}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
