# One name per thing that one does with the repository. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test bench fuzz faults torture tracking accuracy privacy soak build deb deb-test fmt lint unit generated doctor

# Seconds after which the demo ends by itself, with exit 0 if it saw what it should; 0: at Ctrl-C.
DEMO_SECS ?= 0
# Seconds for each target of the fuzzing.
SECS ?= 60
# Times that the agent is killed.
ROUNDS ?= 300
# Length of the soak.
SOAK_MINUTES ?= 60

say = @echo "==> $(1)"

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: ## install packages, ONNX Runtime, the detector and the footage (idempotent)
	$(call say,set-up: what is missing is installed)
	@scripts/setup

demo: setup build ## show the whole way in one terminal: cameras, agent, broker, hub
	$(call say,demo)
	@DEMO_SECS=$(DEMO_SECS) scripts/demo

test: setup lint unit ## everything that a change must pass

bench: setup ## measure detection, path, decoding, change gate and delivery beside their floors; writes target/bench.json
	$(call say,bench: detection, path, decoding and change gate, each beside its floor)
	@cargo bench --bench detect --bench path
	@cargo bench --bench engine
	@cargo bench --bench scene
	@cargo bench --bench delivery

fuzz: setup ## give hostile input to decoders, layouts, manifests, configurations and commands for SECS each
	$(call say,fuzz: $(SECS) s a target)
	@cargo build --locked --release --example fuzz
	@for target in decoders layouts manifest configuration command; do target/release/examples/fuzz $$target $(SECS); done

faults: setup ## hold every way in which a camera fails to its limits; writes target/faults.json and the table in docs/robustness.md
	$(call say,faults)
	@FAULTS=all cargo test --locked --test faults
	@scripts/robustness

torture: setup ## kill the agent ROUNDS times at random moments under load, and the broker with it; writes target/torture.json
	$(call say,torture: $(ROUNDS) rounds)
	@TORTURE_ROUNDS=$(ROUNDS) cargo test --locked --release --test torture

tracking: ## score the tracker on public truth beside another; writes target/tracking.json and the table in docs/accuracy.md
	$(call say,tracking)
	@scripts/tracking

accuracy: setup build ## play the staged suite and score it; writes target/accuracy.json, fails below the bar
	$(call say,accuracy: staged scenes through the detector and the rules)
	@target/release/curbwatch accuracy --out target/accuracy.json

privacy: setup build ## look for faces in pictures before and after redaction; writes target/privacy.json and the table in docs/privacy.md
	$(call say,privacy)
	@scripts/privacy

soak: setup build ## 8 cameras with random faults for SOAK_MINUTES; memory, threads and descriptors over time; writes target/soak.json
	$(call say,soak: $(SOAK_MINUTES) minutes)
	@SOAK_MINUTES=$(SOAK_MINUTES) scripts/soak
	@scripts/robustness

build: ## build the release binary
	$(call say,build: target/release/curbwatch)
	@cargo build --release --locked

deb: setup ## make the Debian package in target/deb/, from a production build
	$(call say,deb)
	@scripts/deb

deb-test: deb ## install, run, upgrade, remove and purge the package in a fresh Debian 12 (as root, by debootstrap)
	$(call say,deb-test)
	@scripts/deb-test target/deb/*.deb

fmt: ## format the sources
	$(call say,format)
	@cargo fmt

lint: ## check the format and the lints, with and without the staging feature
	$(call say,format)
	@cargo fmt --check
	$(call say,lints)
	@cargo clippy --locked --all-targets -- -D warnings
	$(call say,lints of a production build: without the staging feature)
	@cargo clippy --locked --no-default-features --lib --bins -- -D warnings

unit: ## run every test
	$(call say,tests)
	@cargo test --locked --no-fail-fast

generated: ## write the generated files (schemas, reference) anew; the tests compare them
	$(call say,generated files)
	@UPDATE_GENERATED=1 cargo test --locked --quiet --lib
	@git status --short -- docs edge-config

doctor: ## say of each piece whether it is there
	@cargo run --locked --quiet -- doctor
