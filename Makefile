# Every command a person runs. `make help` lists them.
#
# Needed beforehand: make, Rust (https://rustup.rs) and a C compiler (gcc); `make` names what is missing. What else a target needs (zip and
# unzip for the package, file for checking it, python3 and chromium for tests, valgrind and the peers' languages for the bench)
# scripts/need.sh installs from Debian's packages, saying so.

# musl for this machine's processor where Rust has that target or rustup can add it, otherwise static glibc. Looked up at the first use.
TARGET   ?= $(eval TARGET := $(shell scripts/target.sh))$(TARGET)
FEATURES ?=

# The program that is built, packaged and run: the bootstrap, or an example.
EXAMPLE  ?=
PROGRAM  := $(or $(EXAMPLE),bootstrap)
EXAMPLES := $(sort $(basename $(notdir $(wildcard examples/*.rs))))
$(if $(filter-out $(EXAMPLES),$(EXAMPLE)),$(error EXAMPLE=$(EXAMPLE) is not an example; there are: $(EXAMPLES)))
$(if $(EXAMPLE),$(if $(filter-out build package run deploy destroy deploy-status,$(MAKECMDGOALS)),$(error EXAMPLE is for make build, package, run, deploy, destroy and deploy-status)))
$(if $(and $(EXAMPLE),$(BOOTSTRAP)),$(error Set EXAMPLE or BOOTSTRAP, not both))

# A variable that nothing reads is most likely misspelled. Those of the functions begin with WS_.
KNOWN    := TARGET FEATURES EXAMPLE BOOTSTRAP CONFIG LISTEN ARGS ROUNDS SECTIONS SECONDS PICTURE DRY ONE ADOPT SETTINGS WEB WEB_ZIP GATEWAY_TOML PACKAGED GATEWAY
GIVEN    := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN  := $(firstword $(filter-out $(KNOWN) WS_% RUST_% CARGO_% CI -%,$(GIVEN)))
$(if $(UNKNOWN),$(error $(UNKNOWN)= is no variable of make; there are: $(KNOWN), and those of the functions, WS_...))

PACKAGED := target/package/$(PROGRAM)
GATEWAY  := target/package/gateway

# WEB=1: the whole system in one web function. Its zip, and the gateway's settings in it.
WEB          ?=
WEB_ZIP      ?= web.zip
GATEWAY_TOML ?= deploy/web/gateway.toml

# What `make run` starts; without optimisation it is built sooner.
RUN      := target/debug/gateway
LISTEN   ?= 127.0.0.1:9000
ARGS     ?=

# Of the whole workspace, or the crates below it would be built once more, with other features.
TEST     := cargo test -q --locked --workspace --test

ROUNDS   ?= 7
SECTIONS ?=

.DEFAULT_GOAL := build
.PHONY: help toolchain build gateway gateway-to-run package run smoke test test-browser race soak soak-cluster attack fuzz diagrams audit bench bench-instructions lint clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

.DEFAULT:
	@echo "make $@ is no command of this project; make help lists them" >&2; exit 2

# Whatever calls cargo; only ordered, so that it rebuilds nothing.
build gateway gateway-to-run test test-browser race soak soak-cluster attack fuzz audit bench bench-instructions lint clean: | toolchain

toolchain:
	@scripts/toolchain.sh

build: ## the static binary at target/package/bootstrap (TARGET=x86_64-unknown-linux-gnu for glibc, FEATURES=tls, EXAMPLE=chat)
	scripts/build-static.sh $(TARGET) --locked -p $(if $(EXAMPLE),scf-websocket-examples,scf-websocket) --bin $(PROGRAM) --features "$(FEATURES)"
	mkdir -p $(dir $(PACKAGED))
	install -C -m 755 target/$(TARGET)/packaged/$(PROGRAM) $(PACKAGED)

gateway: ## the gateway as one static file at target/package/gateway
	PROFILE=gateway scripts/build-static.sh $(TARGET) --locked -p scf-websocket-gateway --bin gateway
	mkdir -p $(dir $(GATEWAY))
	install -C -m 755 target/$(TARGET)/gateway/gateway $(GATEWAY)

gateway-to-run:
	cargo build --locked -p scf-websocket-gateway --bin gateway

package: $(if $(WEB),$(if $(BOOTSTRAP),,build) gateway,build) ## bootstrap.zip, the file to upload (EXAMPLE=chat for chat.zip; WEB=1, also with BOOTSTRAP=path, for web.zip)
	$(if $(WEB),scripts/package.sh $(or $(BOOTSTRAP),$(PACKAGED)) $(WEB_ZIP) $(GATEWAY) $(GATEWAY_TOML),scripts/package.sh $(PACKAGED) $(PROGRAM).zip)

# Only the bootstrap relays frames to a room. What a file describes is run as it is.
run: export RELAY := $(if $(BOOTSTRAP)$(EXAMPLE),,1)
# What is packaged is for SCF; what is run, also on a Mac, is for this machine.
ifneq ($(shell uname -s),Linux)
run: TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
endif
run: $(if $(BOOTSTRAP)$(CONFIG),,build) gateway-to-run ## a whole WebSocket API on this machine (LISTEN=host:port, EXAMPLE=chat or BOOTSTRAP=path of your own program, ARGS="gateway options"; or CONFIG=gateway.toml)
	exec $(if $(CONFIG),$(RUN) --config $(CONFIG),scripts/run.sh $(RUN) --bootstrap $(or $(BOOTSTRAP),$(PACKAGED)) --listen $(LISTEN) \
		$(patsubst %,--client-page %,$(wildcard examples/$(EXAMPLE).html))) $(ARGS)

smoke: $(if $(WEB),package-web-chat,package) ## drive the packaged zip with real WebSocket clients, and print what was seen (WEB=1: the web function's, also for SECONDS=600)
	$(if $(WEB),WEB_ZIP=$(CURDIR)/$(WEB_CHAT) $(TEST) web_smoke,scripts/smoke.sh bootstrap.zip)

WEB_CHAT := target/package/web-chat.zip
.PHONY: package-web-chat
package-web-chat:
	scripts/need.sh redis-server unzip
	$(MAKE) package WEB=1 EXAMPLE=chat WEB_ZIP=$(WEB_CHAT)

# Most tests wait for processes, so that there may be more of them than processors.
test: ## all tests but the browser's
	scripts/need.sh --optional /usr/bin/python3:python3 /usr/lib/python3/dist-packages/websockets:python3-websockets redis-server curl node:nodejs go:golang-go
	RUST_TEST_THREADS=8 cargo test --workspace --locked
	$(TEST) behaviours --features scf-websocket/tls tls::

test-browser: build ## drive the page in headless Chromium (PICTURE=$PWD/docs/page.png renews the README's picture)
	scripts/need.sh chromium chromedriver:chromium-driver npm redis-server
	npm ci --silent --no-audit --no-fund --prefix gateway/tests/browser
	cargo build --locked --workspace --example chat
	BOOTSTRAP=$(CURDIR)/$(PACKAGED) CHAT=$(CURDIR)/target/debug/examples/chat $(TEST) browser

race: ## eight clients race through examples/quiz.rs for SECONDS=60, with and without the gateway, over each store
	scripts/need.sh redis-server
	SECONDS=$(or $(SECONDS),60) scripts/race.sh

soak: package ## 200 clients while everything fails that can, for SECONDS=600, and an account of every frame
	scripts/need.sh redis-server
	BOOTSTRAP=$(CURDIR)/$(PACKAGED) SECONDS=$(or $(SECONDS),600) $(TEST) soak

soak-cluster: package ## likewise with 600 clients of three nodes, which are killed, suspended and cut off
	scripts/need.sh redis-server
	BOOTSTRAP=$(CURDIR)/$(PACKAGED) SECONDS=$(or $(SECONDS),600) $(TEST) soak -- cluster

attack: $(if $(BOOTSTRAP),,build) $(if $(filter command%,$(origin GATEWAY)),,gateway) ## attack a gateway in a dozen ways, and print what another client felt (ATTACK=name for one, GATEWAY=path, BOOTSTRAP=path)
	scripts/need.sh /usr/bin/python3:python3
	GATEWAY=$(abspath $(GATEWAY)) BOOTSTRAP=$(abspath $(or $(BOOTSTRAP),$(PACKAGED))) ATTACK=$(ATTACK) \
		$(TEST) attack

fuzz: ## each fuzz target for a minute (SECONDS=20)
	scripts/fuzz.sh $(or $(SECONDS),60)

diagrams: ## draw docs/diagrams/*.svg anew, after a change of their sources
	scripts/diagrams.sh

audit: ## dependencies: licences, sources, known weaknesses
	scripts/audit.sh

# The parts of the section gateway: gateway-memory -fan-out -cpu -handshakes -latency -hold; SECONDS is how long the last one holds. The section
# gateway-compression stands alone, since it builds a second gateway.
bench: package $(if $(filter gateway% cluster,$(SECTIONS)),gateway) ## measure it beside its peers (ROUNDS=7, SECTIONS="runtimes cold-start growth endurance fan-out", SECTIONS=gateway ROUNDS=3 SECONDS=60, SECTIONS=cluster ROUNDS=3)
	BENCH_HOLD_SECONDS=$(SECONDS) scripts/bench.sh $(ROUNDS) $(SECTIONS)

bench-instructions: build ## count the instructions of an invocation; fails when they have grown by a tenth
	scripts/count-instructions.sh

lint: ## format, spelling, links, clippy and documentation, warnings being errors
	cargo fmt --all --check
	scripts/spelling.sh
	$(TEST) behaviours -- links::
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --locked --test smoke --test web_smoke --test browser --test soak --test attack -- -D warnings
	cargo clippy --workspace --locked --features scf-websocket/tls --all-targets -- -D warnings
	scripts/need.sh g++
	RUSTFLAGS='--cfg fuzzing' cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target/lint-fuzz -- -D warnings
	cargo clippy --locked --manifest-path benches/peers/Cargo.toml --target-dir target/lint-peers -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

clean: ## remove everything that was built
	cargo clean
	rm -f bootstrap.zip web.zip $(EXAMPLES:=.zip)

# The functions in SCF; see docs/deploy.md. A program that is built here is first checked with its variables.
DEPLOYED := $(if $(WEB),$(WEB_ZIP),$(if $(BOOTSTRAP),target/deploy/bootstrap.zip,$(PROGRAM).zip))
DEPLOY   := python3 deploy/deploy.py
SETTINGS ?= $(or $(wildcard deploy/$(EXAMPLE).toml),deploy/deploy.toml)
OPTIONS   = --settings $(SETTINGS) --zip $(DEPLOYED) $(if $(DRY),--dry) $(if $(WEB),--web)

.PHONY: deploy destroy deploy-status test-deploy package-own

deploy: $(if $(BOOTSTRAP),$(if $(WEB),package,package-own),package) ## create or update the functions in SCF (DRY=1, ONE=1, WEB=1, EXAMPLE=chat, BOOTSTRAP=path, SETTINGS=path, ADOPT=1)
	scripts/need.sh python3
	$(DEPLOY) deploy $(OPTIONS) $(if $(ONE),--one) $(if $(ADOPT),--adopt) $(if $(BOOTSTRAP),,--check $(PACKAGED))

destroy: ## delete the functions that `make deploy` created (DRY=1, WEB=1, EXAMPLE=chat, SETTINGS=path)
	$(DEPLOY) destroy $(OPTIONS)

deploy-status: ## how the functions in SCF are
	$(DEPLOY) status $(OPTIONS)

test-deploy: ## deploy with the real tccli against a stand-in for SCF
	scripts/need.sh python3 zip unzip
	scripts/tccli.sh --pinned >/dev/null
	python3 -m unittest discover -t . -s deploy/tests

# Another program in place of the bootstrap, zipped.
package-own:
	mkdir -p $(dir $(DEPLOYED))
	scripts/package.sh $(BOOTSTRAP) $(DEPLOYED)
