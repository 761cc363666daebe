# What a developer types. `make` alone lists the targets: the text after ## is what it shows.
#
# Every target first installs what it lacks (scripts/install-deps.sh says what and why), so that
# `make demo` and `make test` are enough on a fresh machine. `cargo build` and `cargo test` work
# without make once those packages are there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Tools that are fetched for this checkout alone, wherever cargo builds; `cargo clean` removes them
# too unless that is elsewhere.
TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(PATH)

# The real Prometheus and VictoriaMetrics of the tests. Set all to use your own.
export PROMETHEUS ?= $(TOOLS)/prometheus/usr/bin/prometheus
export PROMTOOL ?= $(TOOLS)/prometheus/usr/bin/promtool
export VICTORIA_METRICS ?= $(TOOLS)/victoria-metrics/usr/bin/victoria-metrics

# What drives a browser in tests of the dashboard, and the browser: Chromium without windows, which
# takes half the time of the one with them. Any Chromium or Chrome does.
export KUBEZONNET_BROWSER_TOOLS ?= $(TOOLS)/browser
export CHROMIUM ?= chromium-headless-shell

export FUZZ_SECONDS ?= 60

# Read by crates/capture/build.rs.
export BPF_CFLAGS ?= -Werror

BPF_SOURCES := $(wildcard crates/capture/src/bpf/*.[ch])
SHELL_SOURCES := .ci/run $(wildcard scripts/*.sh)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# ARGS goes to the demo, as in `make demo ARGS='--for 30s'`.
.PHONY: demo
demo: deps-demo ## Run a cluster of namespaces on this machine and show who sends across zones, at what cost; needs root
	@demo=$$(scripts/built.sh kubezonnet-demo --workspace --bins); \
	if [ "$$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then \
		echo "The demo makes network namespaces: asking for root."; exec sudo "$$demo" $(ARGS); \
	fi; exec "$$demo" $(ARGS)

.PHONY: build
build: deps-build ## Build all binaries (dev profile)
	cargo build --workspace --bins

.PHONY: test
test: deps-test ## Run all tests; as root also the ones that load BPF programs and make namespaces
	scripts/test.sh

.PHONY: test-long
test-long: deps-test ## Run all tests with the full number of rounds where some have fewer
	TEST_SWITCHES=1000 TEST_KILLS=100 scripts/test.sh --profile long

.PHONY: accuracy
accuracy: deps-test ## Measure the matrix of traffic and write docs/accuracy.md from it; needs root
	scripts/accuracy.sh

.PHONY: lint
lint: deps-lint ## Check format, clippy, rustdoc, BPF C and shell; anything found is an error
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	clang-format-19 --dry-run --Werror $(BPF_SOURCES)
	shellcheck $(SHELL_SOURCES)
	cargo deny --log-level error check licenses bans sources
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

.PHONY: fmt
fmt: deps-lint ## Format Rust and BPF C
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	clang-format-19 -i $(BPF_SOURCES)

.PHONY: bench
bench: deps-bench ## Measure everything and write docs/benchmarks.md (15 minutes); needs root
	scripts/bench.sh

.PHONY: bench-quick
bench-quick: deps-bench ## Measure the essential in a minute, once it is compiled, and print it; needs root
	scripts/bench.sh --quick

.PHONY: fuzz
fuzz: deps-fuzz ## Fuzz every decoder of what comes from outside for FUZZ_SECONDS (60) each
	scripts/fuzz.sh

.PHONY: man
man: deps-build ## Write the manual of kubectl-zonnet into docs/man/
	man=$$(scripts/built.sh kubectl-zonnet -p kubezonnet-cli); rm -rf docs/man; "$$man" man docs/man

.PHONY: images
images: deps-images ## Build both container images with static binaries and start each once; needs root
	scripts/images.sh

.PHONY: archive
archive: deps-archive ## Pack kubectl-zonnet for this processor; with URL=... also what krew needs
	scripts/archive.sh $(URL)

.PHONY: deps
deps: deps-build deps-test deps-lint ## Install what the targets above need, and nothing else

.PHONY: deps-%
deps-%:
	@scripts/install-deps.sh $*
