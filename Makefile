# Set-up makes .venv, installs the package with its extras, builds the guests and fetches the demo's model.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check docs bench setup guests still clean
run: setup
	$(BIN)/wherry demo

test: setup
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.installed
	$(BIN)/ruff format --check apps src tests
	$(BIN)/ruff check apps src tests
	$(BIN)/mypy
	MYPYPATH=src:apps/speech $(BIN)/mypy apps/speech/app.py apps/speech/api
	MYPYPATH=src:apps/chat $(BIN)/mypy apps/chat/app.py apps/chat/api
	$(BIN)/python -m pytest tests/test_layers.py tests/cli/test_docs.py

docs: $(VENV)/.installed
	$(BIN)/python -m wherry.cli.manual > docs/cli.md

# The peers have an environment of their own: torch alone is larger than all of Wherry.
bench: build/bench/venv/.installed $(VENV)/.model
	build/bench/venv/bin/python benchmarks/speech.py

build/bench/venv/.installed: pyproject.toml
	$(PYTHON) -m venv build/bench/venv
	build/bench/venv/bin/python -m pip install --quiet faster-whisper==1.2.1 openai-whisper==20250625 pywhispercpp==1.5.1 torch==2.13.0
	build/bench/venv/bin/python -m pip install --quiet --editable .
	touch $@

setup: $(VENV)/.installed $(VENV)/.model guests
guests: build/guests/transcribe.wasm

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[build,dawn,dev]'
	touch $@

$(VENV)/.model: src/wherry/engine/catalog.py | $(VENV)/.installed
	$(BIN)/wherry models pull whisper-tiny.en
	touch $@

build/guests/transcribe.wasm: apps/transcribe/transcribe.c | $(VENV)/.installed
	mkdir -p build/guests
	$(BIN)/python -m ziglang cc --target=wasm32-wasi -O2 -Wl,-z,stack-size=65536 -o $@ $<

# What is preloaded into the compiler of apps lies in the tree: who builds an app has no compiler of C.
still:
	for machine in x86_64 aarch64; do $(BIN)/python -m ziglang cc -target $$machine-linux-gnu.2.28 $(STILL_FLAGS) \
		-o src/wherry/appbuild/still-$$machine.so src/wherry/appbuild/still.c -ldl -lpthread || exit 1; done
STILL_FLAGS := -shared -O2 -s -Wall -Wextra -Wno-unused-parameter -Wl,--build-id=none

clean:
	rm -rf build $(VENV)
