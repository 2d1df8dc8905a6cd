VENV ?= .venv
BIN := $(VENV)/bin
ifndef PYTHON
PYTHON := $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
  $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
endif

.DEFAULT_GOAL := help
# Without ensurepip, venv fails but leaves a python: it must not count as made.
.DELETE_ON_ERROR:
.PHONY: help run test quick test-long test-lowest coverage size lock demo chart bench bench-peer lint dashboards docs clean prometheus alertmanager test-real etcd native test-native

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(VENV)/installed ## set up, feed the sample traces, print the table, serve until Ctrl-C
	$(BIN)/llm-trace-exporter serve --zero-hold=0s --replay examples/traces --summary

NATIVE := exporter/native
native: $(VENV)/installed ## build the native engine, which needs cargo, and install it
	@command -v cargo >/dev/null || { echo "cargo is not on PATH: without the native engine, Python reads requests" >&2; exit 1; }
	$(BIN)/python -m pip install -q --disable-pip-version-check --force-reinstall --no-deps ./$(NATIVE)
	$(BIN)/python -c 'from llm_trace_exporter.otlp.native import chosen; chosen("native")'

test-native: $(VENV)/installed-test ## test the native engine where cargo is, also that it reads as Python does
	@if command -v cargo >/dev/null; then cd $(NATIVE) && \
	  cargo test -q --locked --release && cargo clippy -q --locked --release --all-targets -- -D warnings && cargo fmt --check && \
	  cd $(CURDIR) && $(PYTEST) -n auto tests/otlp tests/test_engines.py; \
	else echo "cargo is not on PATH: the tests of the native engine are skipped"; fi

# The exporter is started a hundred times: where nothing compiled is kept, each start compiles it.
PYTEST := PYTHONDONTWRITEBYTECODE= LTE_NODE_CACHE=$(abspath $(VENV))/node $(BIN)/python -m pytest -q
# Tests of a file share servers and builds: each file runs in one process. In the order of their
# names, so that the last are short.
BY_FILE := --dist loadfile --no-loadscope-reorder
# Half as many again as there are CPUs, as many tests wait: for clocks, disks and other processes.
WORKERS = $(shell expr '(' 3 '*' "$$(getconf _NPROCESSORS_ONLN || echo 2)" + 1 ')' / 2)

test: $(VENV)/installed-test prometheus alertmanager ## set up and run the tests
	$(PYTEST) -n $(WORKERS) $(BY_FILE) -m "not long and not real"

QUICK := config content content_rules correlation dialects explain metrics objectives pricing scores sources \
  test_architecture.py test_corpus.py test_every.py test_repository.py

quick: $(VENV)/installed-test ## run the quick tests of what reads, counts, prices and shows: while you work
	$(PYTEST) -n auto $(BY_FILE) -m "not long and not dear" $(addprefix tests/,$(QUICK))

test-long: $(VENV)/installed-test prometheus alertmanager ## run the tests that take minutes; LTE_LONG_MINUTES=120 for hours
	LTE_EXAMPLES=all $(PYTEST) -n auto -m "hypothesis or long and not alone"; others=$$?; \
	$(PYTEST) -m "long and alone" && exit $$others

# Servers are built one at a time, once for each machine: see tests/real/servers.py.
test-real: $(VENV)/installed-test etcd ## build Prometheus 3 and a Kubernetes API server, try rules and chart on them; LTE_REAL=all for every upgrade
	$(PYTEST) -n0 -m real tests/real

# Those that need only what pyproject.toml lists: no other program, no page, no chart.
WITH_OTHERS := alerts bench dashboards docs doctor e2e helm long real simulate
test-lowest: $(BIN)/uv ## run the in-process tests with the oldest versions that pyproject.toml allows
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)/lowest
	$(BIN)/uv pip install -q --python $(VENV)/lowest/bin/python --resolution lowest-direct -r pyproject.toml --all-extras
	$(BIN)/uv pip install -q --python $(VENV)/lowest/bin/python --no-deps -e .
	$(PYTEST:$(BIN)/%=$(VENV)/lowest/bin/%) -n auto $(BY_FILE) -m "not long" $(WITH_OTHERS:%=--ignore=tests/%) $(LOWEST)

size: $(VENV)/constraints.txt ## install without extras beside $(VENV), say how much that takes
	@$(BIN)/python -m venv --clear --without-pip $(VENV)/size
	@$(BIN)/python -m pip -q --disable-pip-version-check --python $(VENV)/size/bin/python install -c $< .
	@echo "$$(du -sm $(VENV)/size/lib | cut -f1) MB without extras, $$(ls -d $(VENV)/size/lib/python3*/site-packages/*.dist-info | wc -l) distributions"

# Pins that still fit stay. LOCK=--upgrade takes the newest.
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --custom-compile-command "make lock" $(LOCK)
lock: $(BIN)/uv ## pin what is installed in the image and for tests, in requirements/
	$(COMPILE) --extra content-rules --extra simulate -o requirements/image.txt pyproject.toml
	$(COMPILE) --all-extras -c requirements/image.txt -o requirements/test.txt pyproject.toml
	$(BIN)/python -c 'import tomllib; [print(*tomllib.load(open(f"{p}pyproject.toml", "rb"))["build-system"]["requires"], sep="\n") for p in ("", "$(NATIVE)/")]' \
	  | $(COMPILE) -c requirements/test.txt -o requirements/build.txt -

# Rooms on the way of a number, and the least percentage of its branches that the tests of each reach. What the native
# engine reads instead is not seen: this is measured before it is installed. Less than 95 is what was measured.
FLOORS := otlp=91 dialects=95 correlation=94 pricing=95 metrics=95 storage=89
COUNTED := $(foreach f,$(FLOORS),$(firstword $(subst =, ,$f)))
REACHING := $(addprefix tests/,$(COUNTED) explain/test_captures.py test_corpus.py test_order.py test_invariants.py)
coverage: $(VENV)/installed-test ## measure which branches the tests reach in the rooms that count; too few fail
	$(PYTEST) -n auto --dist worksteal -m "not long" $(COUNTED:%=--cov=exporter/llm_trace_exporter/%) --cov-report= $(REACHING)
	$(BIN)/python -m tests.floors $(FLOORS)

demo: $(VENV)/installed-simulate prometheus alertmanager ## exporter, Prometheus, Alertmanager and simulated traffic until Ctrl-C; DEMO=--incident=... for trouble
	@$(BIN)/python -m demo $(DEMO)

bench: $(VENV)/installed ## measure speed and memory beside a baseline; BENCH=--full for more
	@$(BIN)/python -m bench $(BENCH)

bench-peer: $(VENV)/installed ## measure beside the Collector's spanmetrics connector, built with Go; PEER=--help for options
	@$(BIN)/python -m bench.peer $(PEER)

lint: $(VENV)/installed-test ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dashboards: $(VENV)/installed ## write the JSON of the Grafana dashboards
	$(BIN)/python -m dashboards

docs: $(VENV)/installed ## regenerate docs/configuration.md and docs/metrics.md
	$(BIN)/python -m llm_trace_exporter.reference.config docs/configuration.md
	$(BIN)/python -m llm_trace_exporter.reference.metrics docs/metrics.md

chart: $(VENV)/installed ## regenerate the chart's schema, README, copies of rules and dashboards, and kustomize
	$(BIN)/python -m helm

clean: ## remove what the other targets made
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache dist $(NATIVE)/target

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Neither the exporter nor its tests need it: it writes the lock, and finds the lowest versions.
$(BIN)/uv: | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check 'uv>=0.13.9,<0.14'

# pip knows no hash of this folder, so it may have none of the others.
$(VENV)/constraints.txt: requirements/image.txt | $(BIN)/python
	sed -e '/--hash/d' -e 's/ *\\$$//' $< > $@

$(VENV)/installed: pyproject.toml $(VENV)/constraints.txt | $(BIN)/python
	@echo "installing what it needs into $(VENV): a minute or so, this once" >&2
	$(BIN)/python -m pip install -q --disable-pip-version-check -c $(VENV)/constraints.txt -e .
	@touch $@

$(VENV)/installed-simulate: pyproject.toml $(VENV)/constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c $(VENV)/constraints.txt -e '.[simulate]'
	@touch $(VENV)/installed $@

# What the lock lacks as yet comes with the second line, and a test says that it lacks it.
$(VENV)/installed-test: pyproject.toml requirements/test.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/test.txt
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

etcd:
	@if command -v etcd >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends etcd-server && \
	  { service etcd stop >/dev/null 2>&1 || true; }; \
	else echo "etcd is not on PATH: the tests that need a Kubernetes API server are skipped"; fi

alertmanager:
	@if command -v amtool >/dev/null && { command -v alertmanager || command -v prometheus-alertmanager; } >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends prometheus-alertmanager && \
	  { service prometheus-alertmanager stop >/dev/null 2>&1 || true; }; \
	else echo "alertmanager is not on PATH: its tests are skipped, the demo goes without"; fi
