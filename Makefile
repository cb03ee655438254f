# Run `make` for the list of commands. Overrides: PYTHON, TORCH_INDEX, VENV, ARGS, BEST.
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PINNED := -c requirements/constraints.txt

# The first of these that is 3.10, 3.11 or 3.12; python3 if none is, for the message of CHECK_PYTHON.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)

define CHECK_PYTHON
import sys
version = '%d.%d' % sys.version_info[:2]
if not (3, 10) <= sys.version_info < (3, 13):
    sys.exit('$(PYTHON) is Python ' + version + ', but 3.10, 3.11 or 3.12 is needed: install one and run make PYTHON=/path/to/it')
try:
    import ensurepip, venv
except ImportError:
    sys.exit('$(PYTHON) has no venv module: install it (on Debian and Ubuntu: sudo apt install python' + version + '-venv)')
endef
export CHECK_PYTHON

.DEFAULT_GOAL := help
.PHONY: help env env-test quickstart test test-reliability lint clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## /\t/' | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  make %-16s %s\n' "$$name" "$$text"; done
	@echo
	@echo '  make quickstart BEST=1                          train the best recipe as well'
	@echo '  make quickstart ARGS=--help                     options of the quickstart'
	@echo '  make test PYTHON=python3.12                     another interpreter (3.10 to 3.12)'
	@echo '  make env TORCH_INDEX=https://download.pytorch.org/whl/cpu   another source of PyTorch, here the small CPU build'

env: $(VENV)/.stamp-run  ## set up .venv for training (no compiler needed)

env-test: $(VENV)/.stamp-test  ## set up .venv for the tests too (builds the C++ ops of mmcv once per machine)

quickstart: $(VENV)/.stamp-run  ## set up, train on real digits for some minutes, write a report
	$(BIN)/python tools/quickstart.py $(if $(BEST),--extra configs/digits/best.py) $(ARGS)

test: lint  ## set up, then lint and all tests (ARGS are for pytest)
	$(BIN)/python -m pytest $(ARGS)

test-reliability: $(VENV)/.stamp-test  ## kill and resume runs at many moments, for half an hour
	$(BIN)/python -m pytest -m reliability tests/reliability $(ARGS)

lint: $(VENV)/.stamp-test  ## set up, then check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:  ## remove .venv, build outputs and caches (work_dirs stays)
	rm -rf $(VENV) build dist *.egg-info mmsemiloc/.mim .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find mmsemiloc tools tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it depends on: set-up runs again after a change of the requirements, and only then.
$(VENV)/.stamp-venv:
	@command -v $(PYTHON) >/dev/null || { echo '$(PYTHON) not found: install Python 3.10, 3.11 or 3.12, or run make PYTHON=/path/to/it' >&2; exit 1; }
	@$(PYTHON) -c "$$CHECK_PYTHON"
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-run: $(VENV)/.stamp-venv requirements/runtime.txt requirements/onedl.txt requirements/constraints.txt \
		setup.py pyproject.toml mmsemiloc/version.py
	@echo 'Installing PyTorch and the OpenMMLab packages into $(VENV) (minutes the first time)'
	@# --no-deps: a torch index need not have torch's dependencies in the pinned versions; the next line takes them from PyPI.
	$(if $(TORCH_INDEX),$(PIP) $(PINNED) --no-deps --index-url $(TORCH_INDEX) torch torchvision)
	$(PIP) $(PINNED) -r requirements/runtime.txt -r requirements/onedl.txt setuptools
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-run requirements/transfer.txt requirements/tests.txt requirements/mmcv_ops.sh
	$(PIP) $(PINNED) -r requirements/transfer.txt -r requirements/tests.txt
	requirements/mmcv_ops.sh $(BIN)/python
	@touch $@
