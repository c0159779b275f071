# Two commands do all the set-up on a fresh machine: `make app` and `make test`.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: app test check assets images benchmarks paper clean

app: .venv/.app
	$(BIN)/python -m vae_core serve

test: .venv/.dev  ## two files at a time, as many tests wait for servers and browsers; the browser's, the longest, first
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyright

assets: .venv/.app  ## trains the runs in assets/runs again (needs MNIST)
	$(BIN)/python assets/make_runs.py

images: .venv/.dev  ## takes the screenshots in docs/images again
	$(BIN)/python tests/browser/screenshots.py

benchmarks: .venv/.dev
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.live

paper: .venv/.app  ## Burda's model beside the published figures (needs MNIST; a quarter of an hour of one core)
	$(BIN)/python -m benchmarks.paper

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.app: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.dev: requirements-dev.txt .venv/.app
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache
