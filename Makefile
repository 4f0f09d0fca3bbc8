# Every command a person runs. `make help` lists them.
#
# Needed beforehand: Rust (https://rustup.rs), gcc, make. What else a target needs (zip and unzip for the package,
# file for checking it, python3 and chromium for tests) scripts/need.sh installs from Debian's packages, saying so.

TARGET   ?= x86_64-unknown-linux-gnu
FEATURES ?=

# Static on a stock toolchain: SCF runs the file on a system with an older C library than any build machine's.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS = -C target-feature=+crt-static -C relocation-model=static

PACKAGED := target/package/bootstrap

.DEFAULT_GOAL := build
.PHONY: help build package test lint clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

build: ## the static binary at target/package/bootstrap (TARGET=x86_64-unknown-linux-musl, FEATURES=tls)
	cargo build --release --locked --target $(TARGET) --bin bootstrap --features "$(FEATURES)"
	mkdir -p $(dir $(PACKAGED))
	install -m 755 target/$(TARGET)/release/bootstrap $(PACKAGED)

package: build ## bootstrap.zip, the file to upload
	scripts/package.sh $(PACKAGED) bootstrap.zip

test: ## all tests but the browser's
	scripts/need.sh python3
	cargo test --workspace --locked

lint: ## format and clippy, warnings being errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --locked --features tls -- -D warnings

clean: ## remove everything that was built
	cargo clean
	rm -f bootstrap.zip
