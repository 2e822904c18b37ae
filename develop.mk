# For those who work on mardock itself: what every change has to pass.

.PHONY: check docs format test bench release

# Most tests wait more than they compute, so there are more workers than cores; jobs=0 runs them one after another.
jobs ?= 4
pytest = .venv/bin/python -m pytest -n $(jobs)

.venv/.dev: requirements-native.txt constraints.txt pyproject.toml
	@$(PYTHON) scripts/create_venv.py --requirements requirements-native.txt --editable '.[dev]'
	@touch $@ .venv/.native .venv/.base

format: .venv/.dev ## Format the code, and write the README's tables and docs/reference/ from it
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@.venv/bin/python scripts/readme_tables.py
	@.venv/bin/python scripts/reference.py

check: .venv/.dev ## Formatting, lint, types, import contracts and unit tests
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@$(pytest) tests/unit -q

test: .venv/.dev ## All tests but the slow ones; those that need a Docker engine run where one answers (jobs= pytest_args=)
	@$(pytest) $(pytest_args)

bench: .venv/.dev ## Compare mardock with its peers and write benchmarks/RESULTS.md (only=archive,startup rounds=)
	@.venv/bin/python -m benchmarks $(if $(only),--only $(only)) $(if $(rounds),--rounds $(rounds))

docs: .venv/.dev ## Make a site of docs/ in docs/_build, every link of which leads somewhere
	@.venv/bin/python -m sphinx -W --keep-going -q docs docs/_build

release: .venv/.dev ## Build wheel and sdist into dist/, install them into empty environments and serve from there
	@.venv/bin/python scripts/release.py
