# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The two that matter: `make demo` shows a real migration on this machine, `make test` proves it.
# Both set up all they need and may be run again at any time.

SHELL := /bin/bash
VENV := .venv/bin
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup demo demo-os demo-down test quick lint types sanity unit coverage integration system bench soak fuzz build clean

help:
	@echo "make demo        a real migration on this machine: a VM's first sync, its delta, the clone boots"
	@echo "make demo-os     the same of a server that runs, by SSH"
	@echo "make demo-down   end the demo's machines and remove its network"
	@echo "make test        everything that must be green: lint, types, sanity, unit, integration, real boots"
	@echo "make quick       the inner loop, seconds: lint, types, unit"
	@echo "make soak        hours: all tests, fuzzing, 100 Mbit/s, disks up to 64 GiB; see docs/measurements"
	@echo "make fuzz        ten minutes of whatever a peer may say, to the protocol's core"
	@echo "make bench       Ferry beside its peers: time, processor, wire, memory; results in docs/benchmarks"
	@echo "make setup       only what the others need: packages, .venv, the collection's link"

setup:
	@tests/tools/setup.sh

demo: setup
	$(VENV)/python -m lab demo

demo-os: setup
	$(VENV)/python -m lab demo --os

demo-down: setup
	$(VENV)/python -m lab down --name demo

test: setup
	tests/tools/test.sh

quick: setup
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(MAKE) --no-print-directory types unit

lint: setup
	tests/tools/lint.sh

types: setup
	tests/tools/types.sh

sanity: setup
	tests/tools/sanity.sh

unit: setup
	$(VENV)/python -m pytest tests/unit -n 3 --dist worksteal -q

coverage: setup
	tests/tools/coverage.sh

integration: setup
	tests/tools/integration.sh

system: setup
	tests/tools/system.sh

fuzz: setup
	$(VENV)/pip install --quiet -r tests/fuzz/requirements.txt
	$(VENV)/python -m tests.fuzz peer 500
	$(VENV)/python -m tests.fuzz payload 100

# As root. More is said by: make bench BENCH="--help"
bench: setup
	tests/bench/setup.sh
	$(VENV)/python -m tests.bench $(BENCH)

# Of markers the last given counts: all tests run. Disks of a quarter: 1 GiB takes 90 s at 100 Mbit/s.
soak: setup fuzz
	$(VENV)/python -m pytest tests/unit -m soak -n 2 -q
	tests/tools/system.sh -m "soak or not soak"
	tests/bench/setup.sh
	$(VENV)/python -m tests.bench --links 100mbit --size 256M --sparse 1G 4G 16G 64G --minutes 10 \
	    --output docs/measurements --name "$$(date -u +%F)-soak" $(SOAK)

build: setup
	$(VENV)/ansible-galaxy collection build --force --output-path .build

clean:
	rm -rf .build .collections .venv collections/ansible_collections tests/output
