VENV ?= .venv
BIN := $(VENV)/bin
ifndef PYTHON
PYTHON := $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
  $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
endif

.DEFAULT_GOAL := help
# Without ensurepip, venv fails but leaves a python: it must not count as made.
.DELETE_ON_ERROR:
.PHONY: help run test quick test-long demo chart bench lint dashboards docs clean prometheus alertmanager

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(VENV)/installed ## set up, feed the sample traces, print the table, serve until Ctrl-C
	$(BIN)/llm-trace-exporter serve --zero-hold=0s --replay examples/traces --summary

# The exporter is started a hundred times: where nothing compiled is kept, each start compiles it.
PYTEST := PYTHONDONTWRITEBYTECODE= LTE_NODE_CACHE=$(abspath $(VENV))/node $(BIN)/python -m pytest -q

test: $(VENV)/installed-test prometheus alertmanager ## set up and run the tests
	$(PYTEST) -n auto --dist loadgroup -m "not long"

QUICK := checks config dialects metrics pipeline pricing scores targets texts \
  test_architecture.py test_corpus.py test_every.py test_repository.py

quick: $(VENV)/installed-test ## run the quick tests of what reads, counts, prices and shows: while you work
	$(PYTEST) -n auto --dist loadgroup -m "not long and not dear" $(addprefix tests/,$(QUICK))

test-long: $(VENV)/installed-test prometheus alertmanager ## run the tests that take minutes; LTE_LONG_MINUTES=120 for hours
	$(PYTEST) -n auto --dist loadgroup -m "long and not alone"; others=$$?; \
	$(PYTEST) -m "long and alone" && exit $$others

demo: $(VENV)/installed-simulate prometheus alertmanager ## exporter, Prometheus, Alertmanager and simulated traffic until Ctrl-C; DEMO=--incident=... for trouble
	@$(BIN)/python -m demo $(DEMO)

bench: $(VENV)/installed ## measure speed and memory beside a baseline; BENCH=--full for more
	@$(BIN)/python -m bench $(BENCH)

lint: $(VENV)/installed-test ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dashboards: $(VENV)/installed ## write the JSON of the Grafana dashboards
	$(BIN)/python -m dashboards

docs: $(VENV)/installed ## regenerate docs/configuration.md and docs/metrics.md
	$(BIN)/python -m llm_trace_exporter.config.reference docs/configuration.md
	$(BIN)/python -m llm_trace_exporter.metrics.reference docs/metrics.md

chart: $(VENV)/installed ## regenerate the chart's schema, README, copies of rules and dashboards, and kustomize
	$(BIN)/python -m helm

clean: ## remove what the other targets made
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-simulate: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[simulate]'
	@touch $(VENV)/installed $@

$(VENV)/installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $(VENV)/installed $@

# The tests scrape with a real Prometheus. Its Debian package starts a service, which they do not use.
prometheus:
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends prometheus && \
	  { service prometheus stop >/dev/null 2>&1 || true; }; \
	else echo "prometheus and promtool are not on PATH: the tests that need them are skipped"; fi

alertmanager:
	@if command -v amtool >/dev/null && { command -v alertmanager || command -v prometheus-alertmanager; } >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends prometheus-alertmanager && \
	  { service prometheus-alertmanager stop >/dev/null 2>&1 || true; }; \
	else echo "alertmanager is not on PATH: its tests are skipped, the demo goes without"; fi
