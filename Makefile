# Everything runs in .venv, which make builds from the hash-locked requirements; only python3 (3.11+) and make are needed.

PYTHON ?= python3
BIN := .venv/bin
LOCKS := requirements.txt requirements-dev.txt
# Whoever forbids bytecode has each of the many processes compile Django, Celery and us anew: 3 s of CPU every time.
unexport PYTHONDONTWRITEBYTECODE
# Postgres and Valkey from wheels, and an environment with generated secrets, for the time of one command
EMBEDDED := $(BIN)/python -m wmsbridge.embedded
DEMO_SECONDS ?=
CHAOS_ORDERS ?= 2000
CHAOS_SEEDS ?= 1 2 3
CHAOS_KEEP ?=
FUZZ_BODIES ?= 100000
FUZZ_SEED ?=
FUZZ_BATCH ?=
BENCH_ROWS ?= 10000000
BENCH_ORDERS ?= 200
BENCH_ROUNDS ?= 1
BEFORE ?=
DOOR_ROUNDS ?= 7

.PHONY: help demo test chaos fuzz bench bench-orders bench-doors bench-tables lint format lock clean .venv

help:
	@echo "make demo    the whole product at work against simulated stores and warehouses; Ctrl-C ends it"
	@echo "             (DEMO_SECONDS=60 ends it by itself with a summary)"
	@echo "make test    lint and every test"
	@echo "make chaos   orders under load while everything goes wrong; the books at both ends are compared at the end"
	@echo "             (CHAOS_ORDERS=2000 CHAOS_SEEDS=\"1 2 3\"; CHAOS_KEEP=folder leaves logs and books there)"
	@echo "make fuzz    mutated bodies at both doors, and through the jobs that they make, with mutated answers to their calls"
	@echo "             (FUZZ_BODIES=100000 FUZZ_SEED=7; FUZZ_BATCH=12 plays one batch again)"
	@echo "make bench   how one shop's backlog, or an endpoint that is down, slows the others; for a machine that is idle"
	@echo "make bench-orders   what an order costs in CPU, SQL, messages, calls and points, beside another revision if BEFORE names one"
	@echo "             (BENCH_ORDERS=200 BENCH_ROUNDS=1 BEFORE=<git revision>); for a machine that is idle"
	@echo "make bench-doors    what a webhook costs at the door, beside a bare Django view, and beside BEFORE if it is set"
	@echo "             (DOOR_ROUNDS=7); for a machine that is idle"
	@echo "make bench-tables   the plan of every statement that runs all day, at 10,000,000 jobs (BENCH_ROWS; 20 GB of disk)"
	@echo "make lint    ruff, mypy, the import contract, missing migrations, Django's checks"
	@echo "make format  let ruff put the code in order"
	@echo "make lock    work the locks out anew from requirements*.in"
	@echo "make clean   remove .venv, .data (the demo's database) and caches"

.venv: .venv/synced

# The stamp is younger than every lock: a changed lock makes the environment anew in place.
.venv/synced: $(LOCKS) requirements-bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "wmsbridge needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
		     "Use: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	@touch $@

demo: .venv
	$(EMBEDDED) --data .data $(BIN)/python manage.py demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(EMBEDDED) $(BIN)/mypy
	$(BIN)/lint-imports
	$(EMBEDDED) $(BIN)/python manage.py makemigrations --check --dry-run
	$(EMBEDDED) env HTTPS=1 PUBLIC_URL=https://bridge.example.com ALERT_EMAILS=staff@example.com \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

# What runs the whole product, or a browser, has the machine to itself: it measures time.
ALONE := e2e or browser
test: lint chromium
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal -m "not ($(ALONE))"
	$(BIN)/pytest -m "$(ALONE)"

chaos: .venv
	$(BIN)/python -m tests.chaos --orders $(CHAOS_ORDERS) --seeds $(CHAOS_SEEDS) $(if $(CHAOS_KEEP),--keep $(CHAOS_KEEP))

# A new seed each time, which every line names.
fuzz: .venv
	FUZZ_BODIES=$(FUZZ_BODIES) FUZZ_BATCH=$(FUZZ_BATCH) FUZZ_SEED=$(or $(FUZZ_SEED),$(shell date +%s)) \
		$(BIN)/pytest tests/fuzz -q -s

bench: .venv
	$(BIN)/python -m bench.fairness
	$(BIN)/python -m bench.fairness --bucket standard --of calls
	$(BIN)/python -m bench.outage

bench-orders: .venv
	$(BIN)/python -m bench.orders --orders $(BENCH_ORDERS) --rounds $(BENCH_ROUNDS) $(if $(BEFORE),--before $(BEFORE))

bench-doors: .venv
	$(BIN)/python -m bench.doors --rounds $(DOOR_ROUNDS) $(if $(BEFORE),--before $(BEFORE))

bench-tables: .venv
	$(BIN)/python -m bench.tables --rows $(BENCH_ROWS)

# Browser tests drive Debian's Chromium; no browser is downloaded.
.PHONY: chromium
chromium:
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; \
	else \
		echo "The browser tests need Chromium: install the package 'chromium' (or Google Chrome) and run make test again." >&2; \
		exit 1; \
	fi

format: .venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --universal: one lock for every platform and Python version; no address of a package index gets into it.
COMPILE := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
lock: .venv
	$(COMPILE) $(UPGRADE) requirements.in -o requirements.txt
	$(COMPILE) $(UPGRADE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) $(UPGRADE) requirements-bootstrap.in -o requirements-bootstrap.txt

clean:
	rm -rf .venv .data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
