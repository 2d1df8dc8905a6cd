#!/usr/bin/env bash
# opentelemetry-instrumentation-openai-v2 2.4b0 cannot be imported as pip installs it beside openai 3.57.0.
#
# Expected: what it imports, it requires; `opentelemetry-instrument` then traces calls, or says that it cannot.
# Seen: it imports httpx, which openai 3 no longer brings (it has httpx2), and a module of
# opentelemetry-util-genai that its releases 1.2b0 and 1.3b0 lack, while it allows any from 0.4b0 on. The program runs
# without a span, a warning or an exit code.
#
# What helps: pip install httpx opentelemetry-util-genai==0.4b0
#
# Output seen with opentelemetry-instrumentation-openai-v2 2.4b0, openai 3.57.0, opentelemetry-util-genai 1.3b0:
#   as installed: No module named 'httpx'
#   under opentelemetry-instrument: exit code 0, nothing said
#   with httpx: No module named 'opentelemetry.util.genai.instruments'
#   with opentelemetry-util-genai 0.4b0: imported
#
# Exit code: 0 while it is so, 1 once it can be imported as installed, or is refused, another where it could not
# be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env || exit 2
get() { env/bin/pip install -q --disable-pip-version-check "$@" || exit 2; }
try() { env/bin/python -c 'from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor' 2>&1 | tail -1 | sed 's/^ModuleNotFoundError: //' || true; }
get opentelemetry-instrumentation-openai-v2==2.4b0 openai==3.57.0 opentelemetry-util-genai==1.3b0 \
  opentelemetry-distro==0.66b2

first=$(try)
echo "as installed: $first"
export OTEL_TRACES_EXPORTER=console OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none
said=$(env/bin/opentelemetry-instrument env/bin/python -c 'import openai' 2>&1) && code=0 || code=$?
echo "under opentelemetry-instrument: exit code $code, ${said:-nothing said}"
get httpx
second=$(try)
echo "with httpx: $second"
get opentelemetry-util-genai==0.4b0
third=$(try)
echo "with opentelemetry-util-genai 0.4b0: ${third:-imported}"
[ -z "$third" ] || exit 2
[ -n "$first" ] && [ -n "$second" ] && [ "$code" = 0 ] && [ -z "$said" ] || exit 1
