# Everything runs from .venv, which `make setup` builds from requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
.DEFAULT_GOAL := help

.PHONY: help setup node adapters demo test quick coverage golden fuzz drills lint format wheel bench client-faults pictures reference lock sbom audit clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/.ready ## Build .venv from the lock file; does nothing when nothing changed

# Standard output is kept for the commands themselves (`make demo ARGS="--once --json"` is read by scripts).
.venv/.ready: requirements.lock pyproject.toml client/pyproject.toml
	@echo "Setting up .venv (a minute, once) ..." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e . -e client >&2
	@touch $@

node: client-js/node_modules/.ready ## Node 18 and 22 and all else that the tests of client-js need; needs npm

# 380 MB, so that the tests that need it are those of `make test`; the others skip them.
client-js/node_modules/.ready: client-js/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install it, or run \`make quick\`" >&2; exit 1; }
	@echo "Setting up client-js/node_modules (a minute, once) ..." >&2
	@npm ci --prefix client-js --silent >&2
	@touch $@

adapters: .venv-adapters/.ready .venv-instructor/.ready ## The libraries that the client's adapters are for, for their tests

# 360 MB. They exclude each other, and one of them may exclude ours.
.venv-%/.ready: client/%.lock .venv/.ready
	@echo "Setting up .venv-$* (a minute, once) ..." >&2
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-$*
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv-$*/bin/python -r $<
	@touch $@

demo: .venv/.ready ## The outage drill on simulated providers; ARGS="--once --json" for scripts
	@$(BIN)/hotspare demo $(ARGS)

test: .venv/.ready client-js/node_modules/.ready adapters ## All tests, on all cores; ARGS="tests/controller/routing -k dwell" for some
	@$(BIN)/python -m pytest -n auto $(ARGS)

quick: .venv/.ready ## The tests without the slow ones: under a minute on two cores
	@$(BIN)/python -m pytest -n auto -q -m "not slow" $(ARGS)

coverage: .venv/.ready ## All tests, and which lines of the product they run
	@$(BIN)/python -m pytest -n auto -q --cov --cov-report=term:skip-covered $(ARGS)

golden: .venv/.ready ## Write the expected texts in tests/data anew; review them with `git diff`
	@$(BIN)/python -m pytest -n auto -q tests/monitor/config tests/controller/simulation/test_scenario_file.py \
		tests/stories/test_transcripts.py -k "has_its_message" --rewrite-golden $(ARGS)

fuzz: .venv/.ready ## Damaged answers through every parser; ARGS="--seconds 600 --seed 7"
	@$(BIN)/python -m tests.support.fuzz $(ARGS)

drills: .venv/.ready ## Faults in virtual time, or for real; ARGS="simulation --histories 10000", ARGS="kills --kills 500"; ARGS=--help
	@$(BIN)/python -m benchmarks.drills $(ARGS)

lint: .venv/.ready ## Style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/.ready ## Rewrite the code in the house style
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

wheel: .venv/.ready ## Build the wheel into dist/, and run it in an environment of its own
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t wheel >&2
	@$(PYTHON) -m venv --without-pip dist/venv
	@$(BIN)/uv pip install --quiet --python dist/venv/bin/python --constraint requirements.lock dist/*.whl
	@cd dist && venv/bin/hotspare --help >/dev/null && echo "$$(ls *.whl) works"

# What draws the picture of docs/detection.md is 84 MB, so that only who needs it waits for it.
.venv/.picture: requirements-picture.lock .venv/.ready
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements-picture.lock >&2
	@touch $@

bench: .venv/.picture ## The measured promises of docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(ARGS)

client-faults: .venv/.ready adapters ## Sixteen faults of providers through the client and its peers; ARGS="hotspare" for the client alone
	@$(BIN)/python -m benchmarks.client_faults $(ARGS)

pictures: .venv/.ready ## The page and Slack in the demo's scenes, drawn into docs/; needs Chromium and a font with emoji
	@$(BIN)/python -m docs.tools.pictures

reference: .venv/.ready ## The tables of keys in docs/, from the schemas, and the words of errors of client-js, from client
	@$(BIN)/python -m docs.tools.reference
	@$(BIN)/python -m docs.tools.client_words

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --upgrade

lock: .venv/.ready ## Write the lock files anew from pyproject.toml
	@$(LOCK) --all-extras pyproject.toml -o requirements.lock
	@$(LOCK) --group client/pyproject.toml:adapters -o client/adapters.lock
	@$(LOCK) --group client/pyproject.toml:instructor -o client/instructor.lock
	@echo "vl-convert-python>=1.9" | $(LOCK) --no-deps - -o requirements-picture.lock
	@printf "cyclonedx-bom>=7\npip-audit>=2.10\n" | $(LOCK) - -o requirements-audit.lock

# Two tools of thirty packages, so that they stay out of the environment that they look at.
.venv-audit/.ready: requirements-audit.lock .venv/.ready
	@echo "Setting up .venv-audit (once) ..." >&2
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-audit
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv-audit/bin/python -r $<
	@touch $@

sbom: .venv-audit/.ready ## Every package of requirements.lock with its hashes, as dist/sbom.json (CycloneDX)
	@mkdir -p dist
	@.venv-audit/bin/cyclonedx-py requirements requirements.lock --of JSON -o dist/sbom.json
	@listed=$$(grep -c '"purl"' dist/sbom.json); locked=$$(grep -c '^[^ #].*==' requirements.lock); \
	echo "dist/sbom.json lists $$listed of the $$locked packages of requirements.lock"; [ "$$listed" = "$$locked" ]

audit: .venv-audit/.ready ## Known vulnerabilities of the packages of requirements.lock; asks PyPI
	@.venv-audit/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip --strict $(ARGS) || \
	{ echo "'could not be audited' means that PyPI's JSON API was not reached from here" >&2; exit 1; }

clean: ## Remove what was built
	rm -rf .venv .venv-* client-js/node_modules .mypy_cache .ruff_cache .pytest_cache dist
