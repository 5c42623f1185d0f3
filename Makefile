# `make` or `make help` lists what there is.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)
FUZZTIME ?= 10s
# Everything is compiled alike, so that each package is compiled once, and once more for the race detector.
GOFLAGS := $(strip $(GOFLAGS) -trimpath)
export GOFLAGS
# How many random queries test/compiled asks; with the race detector, `make test` asks fewer.
CASES ?= 5000
# How many lines the file of test/killed has; `make test` takes fewer.
LINES ?= 200000
# For `make run`: e.g. ARGS='--role api'.
ARGS ?=

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z][a-z/-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: run
run: ## Start the server, with a PostgreSQL of its own unless DATABASE_URL is set
	$(GO) run -ldflags '$(LDFLAGS)' . serve $(ARGS)

.PHONY: build
build: ## Build bin/caseload
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/caseload .

.PHONY: generate
generate: ## Generate code from the schema
	$(GO) generate ./...

# Vetting is what `make lint` does: each `go test` would vet all dependencies once more. Without symbols linking is shorter.
TEST := $(GO) test -vet=off '-ldflags=-s -w'
# The benchmark and the browser act in processes of their own, where the race detector sees nothing, and the generator in one goroutine.
APART := /(bench|graph/gen|internal/playground)(/|$$)

.PHONY: test
test: ## Run every test, with the race detector where it sees something
	@scripts/test-tools
	$(TEST) -race -timeout 10m $$($(GO) list ./... | grep -vE '$(APART)')
	@$(GO) list -export ./... > /dev/null # compiles, so that the three that follow need not each do it
	@$(MAKE) --no-print-directory -j3 test/apart test/compiled test/killed LINES=50000 # the last mostly waits
	@$(MAKE) --no-print-directory test/cheap # looks at clocks, so it runs alone

.PHONY: test/quick
test/quick: ## Run the tests for daily work: no race detector, browser or JavaScript suites, long tests shortened
	$(TEST) -short -timeout 5m ./...

.PHONY: test/apart
test/apart: ## Run the tests of packages in which the race detector sees nothing
	$(TEST) -timeout 10m $$($(GO) list ./... | grep -E '$(APART)')

.PHONY: test/cheap
test/cheap: ## Hold attacks and a long file to their bounds, which the race detector would hide
	$(TEST) -count 1 -run '^(TestAttacksAreCheap|TestWorstAllowedDocumentsAreCheap|TestMemoryIsFlat|TestReportIsBounded|TestBrokenLinesAreReadInLinearTime|FuzzStructure)$$' ./internal/httpapi ./internal/httpapi/document ./internal/bulk

.PHONY: test/killed
test/killed: ## Kill servers in the middle of a file of LINES (200000) lines, without the race detector
	CASELOAD_KILLED_LINES=$(LINES) $(TEST) -count 1 -timeout 10m -run '^TestKilledDuringABulkOperation$$' .

.PHONY: test/compiled
test/compiled: ## Compare compiled reads with the executor in CASES (5000) random queries, and plan a hundred thousand documents
	CASELOAD_COMPILED_CASES=$(CASES) $(TEST) -count 1 -timeout 10m -run '^(TestCompiledReadsEqualTheExecutorOnRandomQueries|TestPlansOfManyDocumentsAreBounded)$$' ./graph

# Go fuzzes one target at a time.
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10s)
	@grep -rlE --include='*_test.go' '^func Fuzz' . | grep -v node_modules | while read -r file; do \
		for target in $$(grep -oE '^func Fuzz[A-Za-z0-9_]*' "$$file" | cut -c6-); do \
			echo "$$target in $$(dirname "$$file")"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
		done; \
	done

.PHONY: bench
bench: ## Measure against hand-written SQL and print the table of ratios
	$(GO) run ./bench $(ARGS)

# The packages are installed beside their lock file; one of them is the Node.js that the others need.
.PHONY: bench/peers
bench/peers: ## Measure beside PostGraphile and mercurius (needs npm)
	@command -v npm >/dev/null || { echo "bench/peers: npm is missing: it comes with Node.js (Debian: apt-get install npm; macOS: brew install node)"; exit 1; }
	@if [ ! -x bench/peers/node_modules/.bin/node ] || [ bench/peers/package-lock.json -nt bench/peers/node_modules/.package-lock.json ]; then \
		npm ci --prefix bench/peers --no-audit --no-fund --loglevel error; \
	fi
	$(GO) run ./bench -peers bench/peers $(ARGS)

.PHONY: playground
playground: ## Build the playground's bundle, which is committed (needs Node.js 20)
	cd internal/playground/web && npm ci --no-audit --no-fund && npm run build

.PHONY: lint
lint: ## Check form, common mistakes, dead code and code that stands twice
	@GO='$(GO)' scripts/lint

.PHONY: verify
verify: ## Check that generated and golden files are current
	@scripts/verify

.PHONY: verify/generated
verify/generated: ## Check that generated files are current; golden files are looked at by the tests
	@scripts/verify generated

.PHONY: db/reset
db/reset: ## Delete the data of the server's own PostgreSQL
	$(GO) run ./internal/devdb/reset
