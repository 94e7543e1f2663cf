# make rehearse   everything from nothing: installs what is missing, builds, brings the stack up, opens the console;
#                 PLATFORM=compose rehearses under Docker Compose instead of with plain processes
# make images     images that stand in for the published ones, where there is no registry
# make test       the tests; at its end it says which could not run here, and why
SHELL := /bin/bash
GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Everything is compiled in one way, so that nothing is compiled twice: AWS's clients take minutes. Only -race needs cgo.
export GOFLAGS += -trimpath
export CGO_ENABLED := $(if $(findstring -race,$(TESTFLAGS)),1,0)

# Says of each skipped test why: the line that it logged last.
SKIPPED := /^ +[a-z_]+\.go:[0-9]+: / { why = $$0; sub(/^ +[a-z_]+\.go:[0-9]+: /, "", why) } \
	/> \[!.*skip \047/ { why = $$0; sub(/.*skip \047/, "", why); sub(/\047.*/, "", why) } \
	/--- SKIP/ { sub(/^ *--- SKIP: /, ""); sub(/ \(.*/, ""); print "  " $$0 ": " why }

.PHONY: rehearse build images test race lint bench scenarios soak crash screenshots clean

rehearse: build
	@$(if $(PLATFORM),,bin/gameday doctor --install)
	@bin/gameday rehearse $(if $(PLATFORM),--platform $(PLATFORM))

build:
	@CGO_ENABLED=0 $(GO) build -ldflags="-s -w" -o bin/ ./cmd/gameday ./cmd/orchestrator ./cmd/sidecar

# images: stand-ins for the published images, made of Debian packages, and the images of our own programs.
images: build
	@$(GO) run ./cmd/images

test: build
	@bin/gameday doctor --install || echo "Going on with what is here."
	@mkdir -p bin; log=$$(mktemp); $(GO) test -count=1 -v $(TESTFLAGS) ./... >$$log 2>&1; status=$$?; \
	grep -E '^(ok|FAIL|panic:|\?)|no test files|^(---|    ---) FAIL' $$log | grep -v 'no test files' ; \
	if [ $$status != 0 ]; then echo; echo "── what failed ──"; grep -A 40 'WARNING: DATA RACE' $$log | head -n 60; grep -vE '^ *(=== |--- (PASS|SKIP)|PASS|ok |localtest\.go)' $$log | tail -n 500; fi; \
	echo; if grep -q -- '--- SKIP' $$log; then echo "Could not run here:"; awk '$(SKIPPED)' $$log; else echo "Every suite ran."; fi; \
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

# scenarios: the story's three, with naive settings (refuted) and resilient ones (held), by measurement. PLATFORM and ONLY choose.
scenarios: build
	@set -e; export GAMEDAY_HOME=$$(mktemp -d /tmp/gdXXXXXX); chmod 711 $$GAMEDAY_HOME; platform="--platform $(or $(PLATFORM),local)"; \
	trap 'bin/gameday down $$platform --volumes >/dev/null 2>&1; rm -rf $$GAMEDAY_HOME' EXIT; bin/gameday up $$platform >/dev/null; \
	for runbook in $(or $(ONLY),kill-a-worker lose-a-cache-node restart-an-instance); do for profile in naive:1 resilient:0; do \
	  status=0; bin/gameday run $$runbook $$platform --profile $${profile%:*} --yes --journal $$GAMEDAY_HOME/$$runbook-$${profile%:*} >$$GAMEDAY_HOME/out 2>&1 || status=$$?; \
	  if [ $$status = $${profile#*:} ]; then echo "ok    $$runbook, $${profile%:*}: exit $$status"; else echo "FAIL  $$runbook, $${profile%:*}: exit $$status"; cat $$GAMEDAY_HOME/out; exit 1; fi; \
	done; done

# soak: random faults against the resilient stack under load, then every invariant. SECONDS and SEED choose.
soak: build
	@$(GO) run ./cmd/soak $(if $(SECONDS),-seconds $(SECONDS)) $(if $(SEED),-seed $(SEED))

# crash: the console, its keeper or both killed at generated step boundaries; KILLS, SEED and PLATFORM (compose, or aws at an endpoint of our own) choose.
crash:
	@$(GO) build -tags crash -o bin/crash/ ./cmd/gameday && $(GO) build -o bin/crash/ ./cmd/orchestrator ./cmd/sidecar
	@$(GO) run ./cmd/crash $(if $(KILLS),-kills $(KILLS)) $(if $(SEED),-seed $(SEED)) $(if $(PLATFORM),-platform $(PLATFORM)) $(if $(ONLY),-only $(ONLY))

screenshots: build
	@$(GO) run ./cmd/screenshots

clean:
	@rm -rf bin bench.json
