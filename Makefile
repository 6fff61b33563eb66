# Two commands for people: `make demo` and `make test`. The rest are their steps.
GSCODEC_TEST_DATA ?= ../shared/data
export GSCODEC_TEST_DATA
PYTHON ?= python3
BIN = .venv/bin
PY = $(BIN)/python

.PHONY: demo test check lint types unit web e2e bench-check player vectors clean

demo: .venv/.core gscodec/web/gs-player.js
	$(PY) -m gscodec demo

test: check web unit

check: lint types

.venv/.core: requirements.lock pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install -q --require-hashes -r requirements.lock
	$(PY) -m pip install -q --no-deps --no-build-isolation -e . 2>/dev/null || $(PY) -m pip install -q --no-deps -e .
	touch $@

.venv/.dev: requirements-dev.lock .venv/.core
	$(PY) -m pip install -q --require-hashes -r requirements-dev.lock
	touch $@

# torch and gsplat, for `gscodec train` and its tests, which skip without them.
.venv/.train: requirements-train.lock .venv/.dev
	$(PY) -m pip install -q -r requirements-train.lock
	touch $@

player_web/node_modules/.done: player_web/package-lock.json
	cd player_web && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

gscodec/web/gs-player.js: player_web/node_modules/.done $(shell find player_web/src player_web/build.mjs player_web/index.html -type f 2>/dev/null)
	cd player_web && npm run --silent build

player: gscodec/web/gs-player.js

lint: .venv/.dev player_web/node_modules/.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	cd player_web && npx biome check .

types: .venv/.dev player_web/node_modules/.done
	$(BIN)/mypy
	cd player_web && npx tsc --noEmit

unit: .venv/.dev player
	$(PY) -m pytest

web: player_web/node_modules/.done
	cd player_web && npm test --silent

# The browser tests alone; `unit` runs them too.
e2e: .venv/.dev player
	$(PY) -m pytest -m browser

# The shared conformance vectors, from the Python writer. Only a new format version may change them.
vectors: .venv/.dev
	$(PY) -m spec.make_segment_vectors
	$(PY) -m spec.make_vectors

# Every figure that the issues demand, written into BENCHMARKS.md with commit and date.
bench-check: .venv/.train player
	$(PY) -m gscodec bench rd
	$(PY) -m gscodec bench speed
	$(PY) -m gscodec bench decode
	$(PY) -m gscodec bench train
	$(PY) -m gscodec bench cuda

clean:
	rm -rf .venv player_web/node_modules gscodec/web demo dist
