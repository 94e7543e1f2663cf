# make rehearse   everything from nothing: installs what is missing, builds, brings the stack up, opens the console
# make test       the tests; at its end it says which could not run here, and why
SHELL := /bin/bash
GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: rehearse build test race lint bench soak screenshots clean

rehearse: build
	@bin/gameday doctor --install
	@bin/gameday rehearse

build:
	@$(GO) build -o bin/ ./cmd/gameday ./cmd/orchestrator

test: build
	@bin/gameday doctor --install || echo "Going on with what is here."
	@mkdir -p bin; log=$$(mktemp); $(GO) test -count=1 -v $(TESTFLAGS) ./... >$$log 2>&1; status=$$?; \
	grep -E '^(ok|FAIL|panic:|\?)|no test files|^(---|    ---) FAIL' $$log | grep -v 'no test files' ; \
	if [ $$status != 0 ]; then echo; echo "── what failed ──"; grep -vE '^ *(=== |--- (PASS|SKIP)|PASS|ok )' $$log | tail -n 200; fi; \
	echo; if grep -q -- '--- SKIP' $$log; then echo "Could not run here:"; grep -A1 -- '--- SKIP' $$log | grep -v '^--$$'; else echo "Every suite ran."; fi; \
	rm -f $$log; exit $$status

race:
	@$(MAKE) --no-print-directory test TESTFLAGS=-race

lint:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	@$(GO) vet ./...
	@$(GO) run $(STATICCHECK) ./...
	@out=$$($(GO) run $(GOVULNCHECK) ./... 2>&1); status=$$?; \
	case "$$out" in *"fetching vulnerabilities"*) echo "govulncheck: the vulnerability database cannot be reached from here; not checked";; \
	*) echo "$$out" | tail -n 20; exit $$status;; esac

bench: build
	@$(GO) run ./cmd/bench $(if $(ONLY),-only $(ONLY))

# soak: random faults against the resilient stack under load, then every invariant. SECONDS and SEED choose.
soak: build
	@$(GO) run ./cmd/soak $(if $(SECONDS),-seconds $(SECONDS)) $(if $(SEED),-seed $(SEED))

screenshots: build
	@$(GO) run ./cmd/screenshots

clean:
	@rm -rf bin bench.json
