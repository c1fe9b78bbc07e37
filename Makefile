# Penstock's workshop: `make` alone lists what there is.
# Stamps in .venv keep things quick: `serve` needs the first only, and a fresh stamp means no installer, no network.

VENV    := .venv
BIN     := $(VENV)/bin
SERVER  := $(VENV)/.server-is-installed
DEV     := $(VENV)/.dev-is-installed
BENCH   := $(VENV)/.bench-is-installed
CLIENTS := $(VENV)/.clients-are-installed
DEPLOY  := $(VENV)/.deploy-is-installed
HOSTS   := .venv-hosts/.hosts-are-installed
PIP     := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check
UV      := $(BIN)/uv pip install --no-config --quiet --python $(BIN)/python --no-deps
LOCK     = $(BIN)/uv pip compile pyproject.toml --group build --quiet --universal --python-version 3.11 \
           --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --upgrade
NODE_CLIENTS := tests/clients/node_modules/.package-lock.json
WORKER_HOST  := tests/cloudflare/python_modules/.are-installed
PYTHONS ?= 3.14 3.13 3.12 3.11
PYENV   := $(or $(PYENV_ROOT),$(HOME)/.pyenv)

# $(call locked,FILE): install what a lock file pins. pip does it where there is no uv, or where uv finds no index.
locked   = { test -x $(BIN)/uv && $(UV) --require-hashes -r $(1); } || $(PIP) install --require-hashes -r $(1)

# $(call pytest,ARGUMENTS): run it, and with COVER=1 measure what it reaches of the core, which makes it twice as slow.
pytest   = $(if $(COVER),$(BIN)/coverage run -m pytest $(1) && $(BIN)/coverage report,$(BIN)/python -m pytest $(1))

# The suite starts hundreds of servers: without bytecode on the disk each start compiles both packages, half of its CPU.
unexport PYTHONDONTWRITEBYTECODE

# The first Python that is new enough. Asked only when .venv has to be made.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
              "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
              && { echo "$$python"; break; }; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install serve test test-fast test-pythons test-all test-image soak test-real clients hosts golden check format \
        bench compare bench-guard lambda lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(SERVER) ## make .venv with the server in it

serve: $(SERVER) ## run the server; ARGS go to `penstock serve`
	@exec $(BIN)/penstock serve $(ARGS)

# The npm packages are a part of the suite where there is npm; without them their tests are skipped, and the end reports it.
test: $(DEV) $(BENCH) $(CLIENTS) $(DEPLOY) ## run the whole suite; ARGS go to pytest, COVER=1 measures what it reaches of the core
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory $(NODE_CLIENTS) $(WORKER_HOST) || echo "npm installed no clients"
	@$(call pytest,$(ARGS))

test-fast: $(DEV) ## run the core's quick tests, the architecture's and the golden transcripts: half a minute
	@$(call pytest,-m "not real and not image and not slow" --hypothesis-profile=fast tests/core tests/architecture $(ARGS))

test-pythons: ## run test-fast on each Python of PYTHONS that this machine has, or on the first with NEWEST=1
	@for version in $(PYTHONS); do \
	    for python in python$$version $(PYENV)/versions/$$version.*/bin/python; do \
	        "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	        echo "== $$("$$python" --version)"; \
	        $(MAKE) --no-print-directory test-fast VENV=.venv-$$version PYTHON="$$python" || exit 1; \
	        test -z "$(NEWEST)" || exit 0; \
	        break; \
	    done; \
	done

# The long tests of stores take minutes in front of moto, which answers one request at a time.
test-all: export PYTEST_ADDOPTS = -o faulthandler_timeout=1200
test-all: export TEST_KILLS = 50
test-all: export LONG_STORE_TESTS = 1
test-all: export HOSTED_STORIES = 2000
test-all: export HOSTED_RESPONSES = 5000
test-all: export REQUESTS_OF_EACH_ENDING = 30
test-all: test test-image soak ## run the whole suite with more of what is random, the image, and the soak: some minutes more

test-image: $(DEV) $(DEPLOY) ## build the image of deploy/docker with buildah, start and stop it (needs root)
	@$(BIN)/python -m pytest -m image tests/deploy $(ARGS)

soak: $(DEV) $(BENCH)
	@$(BIN)/python -m bench.soak $(ARGS)

test-real: $(DEV) ## run the tests that need the real llama.cpp server
	@$(BIN)/python -m pytest -m real $(ARGS)

clients: $(CLIENTS) $(NODE_CLIENTS) $(WORKER_HOST) ## install the clients and hosts of others that the suite drives (needs npm)

hosts: $(HOSTS) ## install the hosts of others that the suite runs the app in: functions' runtimes, ASGI servers

golden: $(DEV) ## rewrite the golden transcripts; read the diff before you commit it
	@$(BIN)/python -m pytest --rewrite-golden $(ARGS)
	@git diff --stat -- tests

check: $(DEV) $(BENCH) ## format, lint and types, changing nothing
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy

format: $(DEV) ## format, and correct what a tool can correct
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

bench: $(BENCH) ## measure; ARGS go to `python -m bench`
	@$(BIN)/python -m bench $(ARGS)

compare: $(BENCH) ## measure beside servers of others, which it installs in .peers; ARGS go to `python -m bench.compare`
	@$(BIN)/python -m bench.compare $(ARGS)

bench-guard: $(BENCH) ## count calls, allocations and callbacks, and hold them to bench/guard/bounds.toml
	@$(BIN)/python -m bench.guard $(ARGS)

LAMBDA_PYTHON ?= 3.13
LAMBDA_ARCH   ?= x86_64 arm64

lambda: $(DEV) ## make the zips for AWS Lambda in build/lambda; LAMBDA_PYTHON=3.13, LAMBDA_ARCH=x86_64 or arm64
	@$(BIN)/python deploy/aws/make_zips.py --python $(LAMBDA_PYTHON) --arch $(LAMBDA_ARCH)

lock: $(DEV) ## pin every dependency anew
	@$(LOCK) --extra server --output-file requirements.lock
	@$(LOCK) --extra server --extra redis --extra postgres --extra mcp --extra web --extra dev --constraints requirements.lock --output-file requirements-dev.lock
	@$(LOCK) --extra bench --constraints requirements-dev.lock --output-file requirements-bench.lock
	@$(LOCK) --extra clients --constraints requirements-dev.lock --output-file requirements-clients.lock
	@$(LOCK) --extra deploy --constraints requirements-dev.lock --output-file requirements-deploy.lock
	@$(subst --group build,,$(LOCK)) --extra server --extra redis --extra postgres --extra mcp --extra web --constraints requirements-dev.lock --output-file requirements-image.lock
	@$(LOCK) --extra server --group hosts --constraints requirements-dev.lock --output-file requirements-hosts.lock
	@$(LOCK) --group emulator --no-deps --constraints requirements-dev.lock --output-file requirements-emulator.lock

clean: ## remove .venv and what the tools remember
	@rm -rf $(VENV) .venv-3.* .venv-hosts .peers build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf tests/clients/node_modules tests/cloudflare/node_modules tests/cloudflare/python_modules
	@find core adapters tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Penstock needs Python 3.11 or newer; name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "$(PYTHON) lacks the venv module: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The tools bring uv first: it takes seconds where pip takes minutes.
$(BIN)/uv: requirements-dev.lock | $(BIN)/pip
	@awk '/^[a-z]/ { is_uv = /^uv==/ } is_uv' $< >$(VENV)/uv.lock
	@$(PIP) install --require-hashes -r $(VENV)/uv.lock && touch $@ || echo "There is no uv here: pip installs the tools" >&2

$(SERVER): pyproject.toml requirements.lock | $(BIN)/pip
	@echo "Installing the server into $(VENV) (once)"
	@$(call locked,requirements.lock)
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(BIN)/uv $(SERVER)
	@echo "Installing the tools into $(VENV) (once)"
	@$(call locked,requirements-dev.lock)
	@touch $@

$(BENCH): requirements-bench.lock $(DEV)
	@$(call locked,requirements-bench.lock)
	@touch $@

$(CLIENTS): requirements-clients.lock $(DEV)
	@$(call locked,requirements-clients.lock)
	@touch $@

$(DEPLOY): requirements-deploy.lock $(DEV)
	@$(call locked,requirements-deploy.lock)
	@touch $@

# They have a virtual environment of their own, with the Python that most of them run on.
$(HOSTS): requirements-hosts.lock requirements-emulator.lock $(DEV)
	@test -x .venv-hosts/bin/python || for python in $(PYENV)/versions/3.1[34].*/bin/python \
	    python3.13 python3.14 $(PYENV)/versions/3.12.*/bin/python python3.12 $(BIN)/python; do \
	        "$$python" -c 'import ensurepip, venv' 2>/dev/null && "$$python" -m venv .venv-hosts && break; \
	    done
	@for lock in requirements-hosts.lock requirements-emulator.lock; do \
	    $(BIN)/uv pip install --no-config --quiet --python .venv-hosts/bin/python --no-deps --require-hashes -r $$lock \
	    || .venv-hosts/bin/python -m pip --quiet install --no-deps --require-hashes -r $$lock || exit 1; \
	done
	@touch $@

$(NODE_CLIENTS): tests/clients/package-lock.json
	@npm --prefix tests/clients ci --silent --no-audit --no-fund
	@touch $@

# Pyodide with the wheels of a Worker, and Miniflare, whose programs need no scripts of installation.
$(WORKER_HOST): tests/cloudflare/package-lock.json tests/cloudflare/requirements.lock | $(BIN)/pip
	@npm --prefix tests/cloudflare ci --silent --no-audit --no-fund --ignore-scripts
	@$(PIP) install --require-hashes --no-deps --only-binary :all: --upgrade --target tests/cloudflare/python_modules \
	    --platform pyemscripten_2026_0_wasm32 --python-version 3.14 -r tests/cloudflare/requirements.lock
	@touch $@
