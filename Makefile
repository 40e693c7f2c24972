# Everything a contributor runs; `make` alone lists it.
#
# The first target that needs it makes .venv and installs into it, checked by hash.
# PYTHON=... chooses the interpreter for that, VENV=... another place.

VENV ?= .venv
PY := $(VENV)/bin/python
UV := $(VENV)/constraints/bin/uv
DEMO := $(VENV)/.installed-demo
VOICE := $(VENV)/.installed-voice
DEV := $(VENV)/.installed-dev

# Compiled once, not by each worker and each program that a test starts.
unexport PYTHONDONTWRITEBYTECODE

# Three workers suit the smallest machine: with two cores, they wait as often as they work.
# The whole suite measures and kills more, and has a core for each of two.
WORKERS ?= 3
PYTEST_OPTIONS ?=
PYTEST := $(PY) -W error packaging/check_skips.py $(PYTEST_OPTIONS)
FAST := -m "not weights and not slow"
# asyncio's debug mode names what blocks the loop; the properties have 5,000 examples in place of
# 100, and the time for that.
THOROUGH := --asyncio-debug --hypothesis-profile=thorough --timeout=240

SEEDS ?= 1000
DEMO_PROMPT ?= Explain in one sentence what a Python generator is.
VOICE_PROMPT ?= What is the capital of France?

.DEFAULT_GOAL := help
.PHONY: help install demo voice weights test test-all format lint types cover owncov size \
	docs docs-check faults abuse chaos simulation routing bench bench-smoke report report-smoke check constraints model-wheels clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(DEMO): packaging/constraints-demo.txt pyproject.toml
	@packaging/install.sh $(VENV) $< $@

$(VOICE): packaging/constraints-voice.txt pyproject.toml
	@packaging/install.sh $(VENV) $< $@

$(DEV): packaging/constraints.txt pyproject.toml
	@packaging/install.sh $(VENV) $< $@

install: $(DEV) ## Make the virtual environment, with everything to develop

demo: $(DEMO) ## Chat with a real model on this machine: no key, no account
	@$(PY) -m chatbots models pull
	$(PY) -m cmd.stream --model local --prompt "$(DEMO_PROMPT)"

voice: $(VOICE) ## Be answered aloud, in answer.wav, by models on this machine
	@$(PY) -m chatbots models pull --speech
	$(PY) -m cmd.voice --text "$(VOICE_PROMPT)" --transcript --output answer.wav

weights: $(DEV)
	@$(PY) -m chatbots models pull --all
	@packaging/speech_samples.sh $(VENV)/speech-samples
	@packaging/noise_samples.sh $(VENV)/noise-samples

test: $(DEV) ## Run the fast tests: no weights, nothing slow
	$(PYTEST) -n $(WORKERS) $(FAST)

test-all: $(DEV) weights ## Run every test
	$(PYTEST) -n 2 $(THOROUGH)

format: $(DEV) ## Format the code and fix what can be fixed
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

lint: $(DEV) ## Check style, format and the floors
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports

types: $(DEV) ## Check types with mypy and pyright, both strict
	$(PY) -m mypy
	$(PY) -m pyright --pythonpath $(PY)

cover: $(DEV) ## Show the coverage of the fast tests
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest $(FAST)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --show-missing --skip-covered

owncov: $(DEV) ## Check that each module's own test covers it
	$(PY) packaging/owncov.py

size: $(DEV) ## Show how much there is to read, and its limits
	$(PY) packaging/size.py

docs: $(DEV) ## Write the generated pages and the chart anew
	$(PY) -m docs.generate
	$(PY) -m bench.chart

docs-check: $(DEV) ## Check that the generated pages and the chart are current
	$(PY) -m docs.generate --check
	$(PY) -m bench.chart --check

faults: $(DEV) ## Try every way a server fails through every bot and program, and print how it ends
	$(PY) -m tests.faults
	$(PY) -m tests.faults realtime

abuse: $(DEV) ## Abuse the server in every way there is, over real sockets, and print what came through
	$(PY) -m tests.abuse

chaos: $(DEV) ## Crash the bots and their store in every way there is, and print what was lost: 4 minutes
	$(PY) -m tests.chaos

simulation: $(DEV) ## Play conversations that crash at any step (SEEDS=1000)
	$(PY) -m tests.simulation --seeds $(SEEDS)

routing: $(DEV) weights ## Score how well the local model calls tools
	$(PY) -m tests.local.routing

bench: $(DEV) ## Run every benchmark, peers beside us, under 15 minutes (BENCH="paced first" for some)
	$(PY) -m bench $(BENCH)

bench-smoke: $(DEV) ## Run every benchmark once, briefly: does it still work?
	$(PY) -m bench --smoke

report: $(DEV) ## Ask other clients under every fault too; writes docs/truncation-report.md
	$(PY) -m report

report-smoke: $(DEV) ## Ask this package and the openai SDK under five faults
	$(PY) -m report --smoke

check: lint types size test owncov docs-check ## Everything a change must pass

constraints: $(UV) ## Choose the newest allowed packages and write down their hashes
	packaging/constraints.sh $(UV)

$(UV):
	@python3 -m venv $(VENV)/constraints
	@$(VENV)/constraints/bin/python -m pip install --quiet uv

model-wheels: $(DEV) ## Build data wheels from the local model's verified weights
	$(PY) packaging/model_wheels.py

clean: ## Remove what the tools left behind, but not the virtual environment
	rm -rf build dist *.egg-info .coverage* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
