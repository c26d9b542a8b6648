# Everything runs from .venv, which `make setup` fills from the locked requirements.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check unit format bench bench-scale torture numbers pictures airflow cluster \
	lock wheel release verify-release advisories coverage mutants clean

RUN := .venv/bin/python -m
BIN := .venv/bin
PORT ?= 8080
EXECUTOR ?= local
PYTEST ?=
MONEY_TESTS := tests/io/ledger tests/io/publish tests/core tests/allocation/test_verify.py \
	tests/runs/test_three_judges.py tests/runs/test_signoff.py tests/runs/test_restated.py \
	tests/runs/test_destinations.py tests/runs/test_hard_limits.py \
	tests/cli/test_signing.py tests/cli/test_experiment.py
SCALE ?= 1
SEED ?= 1
CAMPAIGN ?=
SHARE ?= 1
ONLY ?=
MODULE ?=
export GX_ANALYTICS_ENABLED := false
export PYTHONUTF8 := 1
export OPENBLAS_NUM_THREADS := 1

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' \
		| while IFS="$$(printf '\t')" read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

setup: ## install everything into .venv; quick when nothing changed
	@PYTHON="$(PYTHON)" tools/setup

demo: setup ## run one night through Airflow on the bundled portfolio, ending in a proposed plan
	@$(BIN)/python tools/demo.py

test: setup check unit ## install, check and run every test

check: setup ## lint, format, types, layers, SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(RUN) mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint sql

unit: setup
	$(RUN) pytest -n 2 --dist loadfile $(PYTEST)

format: setup ## write the format that `make check` asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix sql

bench: setup ## measure speed and growth, side by side with peers
	$(RUN) benchmarks

bench-scale: setup ## measure growth of rows and lines into docs/scale.md, with pictures
	$(RUN) benchmarks.scale

torture: setup ## break everything thousands of times; SCALE=0.01 SEED=1 CAMPAIGN="kills nights"
	@nice $(BIN)/python tools/torture.py $(CAMPAIGN) --scale $(SCALE) --seed $(SEED)

coverage: setup ## every line and branch of the money core is run by its tests, or say which is not
	$(RUN) coverage run -m pytest $(MONEY_TESTS)
	$(RUN) coverage report

mutants: setup ## break the money core's code in small ways; its tests must notice; SHARE=0.1 MODULE=core/money ONLY="not postgres"
	@nice $(BIN)/python tools/mutants.py --share $(SHARE) --seed $(SEED) --only "$(ONLY)" $(MODULE)

numbers: setup ## fill the measured numbers into README.md and docs/
	$(RUN) benchmarks.numbers

pictures: setup ## take the pictures of the pages that the README shows (after `make demo`)
	@$(BIN)/python tools/pictures.py

airflow: setup ## start Airflow with the demo portfolio and two demo users; PORT=8080
	@$(BIN)/python tools/serve.py --port $(PORT)

cluster: setup ## run a night whose fit is spread over workers, on Postgres; EXECUTOR=celery, says what it needs
	@$(BIN)/python tools/cluster.py --executor $(EXECUTOR)

lock: ## resolve the dependencies again (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header $(LOCK) pyproject.toml --group dev --output-file requirements-dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --constraint requirements-dev.txt pyproject.toml --output-file requirements.txt

wheel: setup ## build the wheel into dist/
	$(BIN)/hatchling build -t wheel

release: setup ## wheel, bill of materials and signed provenance into dist/; KEY=private.pem
	@$(BIN)/python tools/release.py make dist --key $(KEY)

verify-release: setup ## build what is in dist/ again from its commit and compare; KEY=public.pem
	@$(BIN)/python tools/release.py verify dist --key $(KEY)

advisories: setup ## ask which locked packages have known weaknesses (needs a network)
	@$(BIN)/python tools/bill.py

clean: ## remove everything that can be made again; keeps your portfolios
	rm -rf .venv .airflow build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
