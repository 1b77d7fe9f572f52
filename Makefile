PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
NATIVE := .venv/.native
TABLE := examples/data/california.parquet

.PHONY: setup demo test check clean

setup: $(NATIVE)

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $(STAMP)

$(NATIVE): $(STAMP) hatch_build.py $(wildcard src/pushforward/native/*.cc src/pushforward/native/*.h)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(NATIVE)

demo: $(NATIVE)
	mkdir -p demo
	$(BIN)/pushforward fit $(TABLE) -o demo/model --seed 0 --overwrite
	$(BIN)/pushforward score demo/model $(TABLE) -o demo/scores.parquet --overwrite
	$(BIN)/pushforward sample demo/model -n 5000 -o demo/samples.parquet --seed 1 --overwrite
	$(BIN)/pushforward report demo/model $(TABLE) -o demo/report.html --overwrite
	@echo "Wrote demo/model/ demo/scores.parquet demo/samples.parquet demo/report.html"

test: $(NATIVE)
	$(BIN)/python -m pytest

check: $(NATIVE)
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest tests/test_architecture.py -n 0

clean:
	rm -rf .venv demo build dist src/pushforward/native/kernels.so
