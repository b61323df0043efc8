# Two commands matter: `make run` starts the whole system on embedded defaults; `make test` sets up and passes every test.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
BIN     := bin
DATA    ?= data
BENCH_DATA ?= data/bench
PUPILS  ?= 1000000
REPLAY  ?= 60000
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -ldflags "-X main.version=$(VERSION)"
SUDO    := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What the programs need to build and run: a C compiler and libpcsclite for the readers, fonts for paper and screens.
RUN_PACKAGES := ca-certificates gcc libc6-dev pkg-config libpcsclite-dev fonts-noto-cjk fonts-hanazono
# What the tests need besides: a PC/SC daemon with virtual readers, a card nobody here wrote, a browser, readers of paper, the two servers, a PKCS#11 token.
TEST_PACKAGES := $(RUN_PACKAGES) pcscd vsmartcard-vpcd vsmartcard-vpicc python3-pycryptodome chromium chromium-headless-shell fonts-dejavu-core poppler-utils zbar-tools \
	openssl xxd curl cups-daemon cups-client procps util-linux iproute2 postgresql-15 redis-server softhsm2

# install(PACKAGES): those that are missing, and nothing when none is. RUNLEVEL=1 keeps the packages' own services from starting.
define install
	@missing=""; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; $(SUDO) apt-get update -qq; \
	$(SUDO) env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
endef

.PHONY: help
help:
	@echo "make run         start everything with a demo county, addresses and passwords are printed"
	@echo "make test        set up and pass every test (make check included)"
	@echo "make check       vet, staticcheck, import rules, tidy go.mod"
	@echo "make bench       measure, each figure beside its limit; two years of a county of REPLAY=$(REPLAY) (an hour and more); the first run also writes"
	@echo "                 a register of PUPILS=$(PUPILS) to BENCH_DATA=$(BENCH_DATA) (an hour)"
	@echo "make replay      two years of a county of REPLAY=$(REPLAY) pupils, event by event, then every invariant, as a test (long)"
	@echo "make soak        5,000 taps through pcscd while cards, readers and pcscd itself come and go"
	@echo "make week        a week of a busy school (2,000 events) without a line, then back"
	@echo "make deb         Debian packages in $(BIN)/deb"
	@echo "make deb-test    the packages installed, started, upgraded and removed in a fresh Debian (as root)"
	@echo "make monkey      an hour of random taps, pulls and faults at a real kiosk (MONKEY=10m for less)"
	@echo "make build       the four programs in $(BIN)/"
	@echo "make clean-demo  forget the demo's data"
	@echo "make vulncheck   known vulnerabilities (needs the public database)"

.PHONY: setup-run setup-test setup-axe
setup-run:
	$(call install,$(RUN_PACKAGES))
setup-test: setup-axe
	$(call install,$(TEST_PACKAGES))

# axe-core for the browser tests, as package-lock.json pins it; npm is fetched only where there is none.
AXE := packaging/axetest/node_modules/axe-core/axe.min.js
setup-axe: $(AXE)
$(AXE): packaging/axetest/package-lock.json
	@command -v npm >/dev/null || { echo "installing: nodejs npm"; $(SUDO) apt-get update -qq; $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; }
	npm ci --prefix packaging/axetest --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: build
build: setup-run
	@mkdir -p $(BIN)
	$(GO) build $(LDFLAGS) -o $(BIN)/ ./server ./issuer ./cardsvc ./kiosk
	$(GO) build -o $(BIN)/demo ./packaging/demo

.PHONY: run
run: build
	@exec $(BIN)/demo --bin $(BIN) --data $(DATA)

.PHONY: clean-demo
clean-demo:
	rm -rf $(DATA)

# Four packages at once: the browser and card tests wait more than they work.
.PHONY: test
test: setup-test check
	$(GO) test -p 4 -timeout 14m ./...

.PHONY: check
check: setup-run
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test ./server/internal/archtest
	$(GO) mod tidy -diff

# The measurements' peer, DuckDB, is linked with a C++ library. The console's register is written once and kept for the next run.
.PHONY: bench
bench: setup-test
	$(call install,g++)
	@$(GO) test -run '^$$' -bench '^BenchmarkReport$$' -benchtime 1x -timeout 12h ./packaging/bench -console.dir $(abspath $(BENCH_DATA))/$(PUPILS) -console.pupils $(PUPILS) -replay.pupils $(REPLAY)

.PHONY: replay
replay: setup-test
	$(GO) test -run '^TestYearsReplayed$$' -count 1 -v -timeout 6h ./server/internal/service -replay.pupils $(REPLAY)

.PHONY: soak
soak: setup-test
	$(GO) test -run '^TestSoak$$' -count 1 -v -timeout 60m ./cardsvc/internal/reader -soak.taps 5000

# The packages: xueji-server, -issuer, -station (the card service) and -kiosk. nfpm is pinned in a module of its own. The version grows with the commit's time, so
# that apt takes a newer package for newer.
DEBVERSION ?= 0~$(shell git log -1 --format=%cd --date=format:%Y%m%d%H%M%S 2>/dev/null || date +%Y%m%d%H%M%S)+$(shell git rev-parse --short HEAD 2>/dev/null || echo dev)
.PHONY: deb deb-test
deb: build
	@mkdir -p $(BIN)/deb && rm -f $(BIN)/deb/*.deb
	@for p in server issuer station kiosk; do BIN=$(BIN) ARCH=$$($(GO) env GOARCH) VERSION='$(DEBVERSION)' $(GO) tool -modfile=packaging/deb/nfpm/go.mod nfpm package -f packaging/deb/$$p.yaml -p deb -t $(BIN)/deb/; done

# The packages in a fresh Debian 12 (debootstrap, as root; kept in DEBROOT for the next time): installed, looked at, their programs started as the units start them,
# upgraded, removed, purged.
DEBROOT ?= data/debian
DEBMIRROR ?= http://deb.debian.org/debian
deb-test: deb
	$(call install,debootstrap iproute2 curl)
	BIN=$(BIN) ARCH=$$($(GO) env GOARCH) VERSION='$(DEBVERSION).1' $(GO) tool -modfile=packaging/deb/nfpm/go.mod nfpm package -f packaging/deb/kiosk.yaml -p deb -t $(BIN)/deb/next.deb
	$(SUDO) packaging/deb/try $(DEBROOT) $(DEBMIRROR) $(BIN)/deb

.PHONY: week
week: setup-test
	$(GO) test -run '^TestWeekOffline$$' -count 1 -v -timeout 60m ./packaging/chaos -week.events 2000

# The real kiosk before a random family for MONKEY long, while readers, line and printer come and go.
MONKEY ?= 1h
.PHONY: monkey
monkey: setup-test
	$(GO) test -run '^TestMonkey$$' -count 1 -v -timeout 0 ./packaging/chaos -monkey.for $(MONKEY)

.PHONY: vulncheck
vulncheck:
	$(GO) tool govulncheck ./...
