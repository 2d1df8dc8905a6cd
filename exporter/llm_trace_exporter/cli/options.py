"""What the subcommands take: their options, declared."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..config.arguments import duration_to, moment, region


def add_config_option(command: argparse.ArgumentParser) -> None:
    """Declare `--config.file`."""
    command.add_argument(
        "--config.file", dest="config_file", type=Path, metavar="FILE", help="YAML configuration"
    )


def add_serve_options(serve: argparse.ArgumentParser) -> None:
    """Declare what `serve` takes."""
    add_config_option(serve)
    serve.add_argument(
        "--config.check", dest="config_check", action="store_true",
        help="validate the configuration and exit",
    )  # fmt: skip
    serve.add_argument(
        "--config.allow-empty", "--allow-empty", dest="config_allow_empty", action="store_true",
        help="let a reload take an empty file for the defaults",
    )  # fmt: skip
    serve.add_argument(
        "--web.listen-address", dest="web_listen_address", action="append", metavar="ADDRESS",
        help="address of /metrics; may be given several times (default localhost:9891)",
    )  # fmt: skip
    serve.add_argument(
        "--web.config.file", dest="web_config_file", metavar="FILE",
        help="TLS and users of /metrics, in the format of Prometheus' exporters",
    )  # fmt: skip
    serve.add_argument(
        "--web.enable-lifecycle", dest="web_enable_lifecycle", action="store_true",
        help="answer POST /-/reload and GET /-/explain",
    )  # fmt: skip
    for name, default in (("http", "localhost:4318"), ("grpc", "localhost:4317")):
        serve.add_argument(
            f"--otlp.{name}.config.file", dest=f"otlp_{name}_config_file", metavar="FILE",
            help=f"the same for OTLP/{name}",
        )  # fmt: skip
        serve.add_argument(
            f"--otlp.{name}.listen-address", dest=f"otlp_{name}_listen_address", metavar="ADDRESS",
            help=f"address of OTLP/{name}; empty: off (default {default})",
        )  # fmt: skip
    serve.add_argument(
        "--decision-wait", dest="decision_wait_s", type=duration_to(600), metavar="DURATION",
        help="how long a call waits for its other reporting spans (default 10s)",
    )  # fmt: skip
    serve.add_argument(
        "--zero-hold", dest="zero_hold_s", type=duration_to(3600), metavar="DURATION",
        help="how long a new series shows 0 (default 35s)",
    )  # fmt: skip
    serve.add_argument("--log.level", dest="log_level", choices=("debug", "info", "warn", "error"))
    serve.add_argument("--log.format", dest="log_format", choices=("text", "json"))
    serve.add_argument(
        "--replay", nargs="+", default=[], metavar="PATH", help="count recorded OTLP first"
    )
    serve.add_argument(
        "--summary", action="store_true", help="print a table per model and the addresses"
    )


def add_price_options(price: argparse.ArgumentParser) -> None:
    """Declare what `price` takes."""
    add_config_option(price)
    price.add_argument("--provider", default="", help="openai, anthropic, aws.bedrock, ...")
    price.add_argument("--model", required=True)
    price.add_argument("--tier", default="", help="service tier: batch, flex, priority")
    price.add_argument("--at", type=moment, metavar="DATE", help="ISO date or time (default now)")
    price.add_argument(
        "--region", type=region, default="", help="global, us, eu, or as a cloud names it: us-east5"
    )
    for name, text in (
        ("input", "all input tokens, cached ones included"),
        ("cached", "input tokens read from the cache"),
        ("cache-write", "input tokens written to the cache"),
        ("cache-write-1h", "those of them that last an hour (default: not told)"),
        ("output", "all output tokens, reasoning included"),
        ("reasoning", "reasoning tokens"),
        ("audio-input", "audio tokens of the input"),
        ("audio-output", "audio tokens of the output"),
        ("web-searches", "searches of the web that the provider made"),
    ):
        default = None if name == "cache-write-1h" else 0
        price.add_argument(f"--{name}", type=int, default=default, metavar="N", help=text)
