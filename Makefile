# Everything that a newcomer types. Needs Debian 12 or later, Rust (see rust-version in Cargo.toml) and, for the peers that are
# installed from Debian, root or sudo. Nothing here writes outside the repository, CARGO_TARGET_DIR and BULKHEAD_TOOLS.
export CARGO_TARGET_DIR ?= /var/tmp/bulkhead-target
# Tools that are installed for the tests alone: cargo-deny, a Python environment.
export BULKHEAD_TOOLS ?= /var/tmp/bulkhead-tools
# light: what a newcomer needs to trust a change. all: every peer, captures and the judge of every byte (what CI runs).
PEERS ?= light
PYTHON ?= python3

.PHONY: help demo test bench lint fmt fuzz build clean-tools

help:
	@echo "make demo              the product on a small bottling plant, step by step (one minute after the build)"
	@echo "make test              unit, integration and simulation tests, then a libmodbus PLC behind the gateway"
	@echo "make test PEERS=all    the same with every peer of tests/interop/peers.toml"
	@echo "make bench             against a plain TCP load balancer; writes docs/benchmarks.md"
	@echo "make fuzz TARGET=..    one fuzz target until it is stopped (nightly Rust and cargo-fuzz; targets: fuzz/fuzz_targets)"
	@echo "make lint              formatting, clippy, documentation, licences"

build:
	cargo build --workspace

demo:
	$(PYTHON) tests/interop/peers.py demo
	cargo build --package bulkhead
	$(PYTHON) demo/run.py

test:
	cargo test --workspace
	$(PYTHON) tests/interop/peers.py $(PEERS)
	cargo build --workspace
	$(PYTHON) tests/interop/run.py --peers $(PEERS)

bench:
	$(PYTHON) tests/interop/peers.py bench
	cargo build --release --workspace --bins --benches
	$(PYTHON) benches/run.py

lint:
	bash .ci/run lint

fmt:
	cargo fmt --all

# Found inputs go to fuzz/corpus and fuzz/artifacts, which git does not keep: a finding becomes a seed and a test.
TARGET ?= modbus_stream
fuzz:
	mkdir -p fuzz/corpus/$(TARGET)
	cd fuzz && cargo +nightly fuzz run --fuzz-dir . $(TARGET) corpus/$(TARGET) seeds/$(TARGET)
