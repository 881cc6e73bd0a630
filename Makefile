# Everything a person types. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run demo test check types bench bench-large format lock shell psql reset clean env FORCE

# The newest Python >= 3.11 on PATH makes the environment; .venv's own runs everything else.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv/bin/python
LAUNCH := $(VENV) -m launcher
ARGS ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: env ## Start everything, play the story, serve until Ctrl-C (PORT=8000)
	@$(LAUNCH) run

demo: env ## The same, and stop after the story
	@$(LAUNCH) demo

test: env ## Every test, on two processes; some of them: make test ARGS="tests/credits -k burn"
	@$(LAUNCH) test -- $(or $(ARGS),-n 2)

# Settings need values; no check connects to anything.
check types: export DJANGO_SETTINGS_MODULE = billing_platform.settings
check types: export SECRET_KEY = only-for-make-check-0123456789-abcdefghijklmnopqrstuvwxyz
check types: export DATABASE_URL = postgres://nobody:nothing@127.0.0.1:1/nothing
check types: export REDIS_URL = redis://127.0.0.1:1/0
check types: export ALLOWED_HOSTS = billing.example.com
check types: export PUBLIC_URL = https://billing.example.com
check types: export BEHIND_TLS_PROXY = 1
check: env ## Lint, format, types, import directions, deployment settings, migrations
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	.venv/bin/lint-imports
	$(VENV) manage.py check --deploy --fail-level WARNING
	$(VENV) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(VENV) -m mypy

types: env ## Types alone
	$(VENV) -m mypy

bench: env ## Print the speed budgets as ratios to their floors (benchmarks/README.md)
	@$(LAUNCH) bench -- $(ARGS)

bench-large: env ## Lists, reports and ingest at ten million events beside ten thousand (about 24 GB of disk)
	@$(LAUNCH) bench -- large $(ARGS)

format: env ## Format and fix what can be fixed
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .

lock: env ## Compile requirements*.in to requirements*.txt, with hashes (needs network)
	.venv/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header $(ARGS) \
		--output-file requirements.txt requirements.in
	.venv/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header $(ARGS) \
		--constraint requirements.txt --output-file requirements-dev.txt requirements-dev.in

shell: env ## A Django shell on the local database
	@$(LAUNCH) exec -- python manage.py shell

psql: env ## A psql prompt on the local database
	@$(LAUNCH) psql

reset: env ## Delete the local databases, logs and secrets
	@$(LAUNCH) reset

clean: ## Delete the environment and caches; the data stays (see reset)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

env: ## Make or refresh .venv from the hashed lock
	@test -n "$(PYTHON)" || { echo "FAILED: environment" >&2; \
		echo "  reason: no Python 3.11 or newer on PATH" >&2; \
		echo "  mend:   apt-get install python3 python3-venv (as root), or PYTHON=/path/to/python3.11 make …" >&2; exit 1; }
	@$(PYTHON) -m launcher.bootstrap
