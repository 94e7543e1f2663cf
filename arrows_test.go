package gameday

import (
	"os/exec"
	"strings"
	"testing"
)

// rooms are the packages of this module by prefix, the longest that fits counts, and what each may import of the others.
// A new arrow is a decision: make it here, and in README's Architecture section.
var rooms = map[string][]string{
	"gameday":                                     {},
	"gameday/runbook":                             {},
	"gameday/journal":                             {"gameday/runbook"},
	"gameday/engine/platform":                     {},
	"gameday/engine/platform/link":                {"gameday/engine/platform"}, // what impairs a connection, for the drivers and the sidecar alike
	"gameday/engine/platform/local":               {"gameday/engine/flock", "gameday/engine/platform", "gameday/engine/platform/link"},
	"gameday/engine/platform/compose":             {"gameday/engine/platform", "gameday/engine/platform/link"},
	"gameday/engine/platform/aws":                 {"gameday/engine/platform"},
	"gameday/engine/platform/aws/awstest":         {},                                  // for tests and benchmarks alone
	"gameday/engine/platform/compose/composetest": {"gameday/engine/platform/compose"}, // for tests alone
	"gameday/engine/platform/conformance":         {"gameday/engine/platform"},         // for tests alone
	"gameday/engine/dependency":                   {"gameday/engine/platform"},
	"gameday/engine/platform/local/localtest":     {"gameday", "gameday/engine/platform/local"}, // for tests alone
	"gameday/engine/secret":                       {},
	"gameday/engine/flock":                        {},
	"gameday/engine/program":                      {},
	"gameday/engine/load":                         {"gameday/engine/platform", "gameday/journal", "gameday/runbook"},
	"gameday/engine/stat":                         {"gameday/journal", "gameday/runbook"},
	"gameday/engine/probe":                        {"gameday/engine/platform", "gameday/engine/load", "gameday/engine/program", "gameday/engine/secret", "gameday/journal", "gameday/runbook"},
	"gameday/engine/fault":                        {"gameday/engine/dependency", "gameday/engine/platform", "gameday/engine/program", "gameday/journal", "gameday/runbook"},
	"gameday/engine/check":                        {"gameday/engine/load", "gameday/journal", "gameday/runbook"},
	"gameday/engine/crash":                        {},
	"gameday/engine/keeper":                       {"gameday/engine/crash", "gameday/engine/dependency", "gameday/engine/flock", "gameday/engine/platform", "gameday/engine/program", "gameday/journal", "gameday/runbook"},
	"gameday/engine": {"gameday/engine/probe", "gameday/engine/fault", "gameday/engine/load", "gameday/engine/check", "gameday/engine/stat",
		"gameday/engine/dependency", "gameday/engine/keeper", "gameday/engine/crash", "gameday/engine/secret", "gameday/engine/platform", "gameday/journal", "gameday/runbook"},
	"gameday/tui":              {"gameday/tui/component", "gameday/engine", "gameday/journal", "gameday/runbook"},
	"gameday/tui/component":    {},
	"gameday/cmd/gameday":      {"gameday", "gameday/tui", "gameday/engine", "gameday/engine/keeper", "gameday/engine/platform", "gameday/engine/platform/aws", "gameday/engine/platform/compose", "gameday/engine/platform/local", "gameday/journal", "gameday/runbook"},
	"gameday/cmd/orchestrator": {}, // and its own internal packages: the console never sees the inside of what it breaks
	"gameday/cmd/bench":        {"gameday", "gameday/engine", "gameday/engine/keeper", "gameday/engine/platform", "gameday/engine/platform/aws", "gameday/engine/platform/aws/awstest", "gameday/engine/platform/compose", "gameday/engine/platform/link", "gameday/engine/platform/local", "gameday/journal", "gameday/runbook", "gameday/tui"},
	"gameday/cmd/screenshots":  {},
	"gameday/cmd/images":       {},
	"gameday/cmd/sidecar":      {"gameday/engine/platform/link"}, // it stands beside containers and knows nothing of the console
	"gameday/cmd/crash":        {"gameday/engine/platform", "gameday/engine/platform/aws/awstest", "gameday/engine/platform/compose", "gameday/engine/platform/local"},
	"gameday/cmd/soak":         {"gameday/engine/check", "gameday/engine/fault", "gameday/engine/keeper", "gameday/engine/load", "gameday/engine/platform", "gameday/engine/platform/local", "gameday/runbook"},
}

func room(pkg string) string {
	best := ""
	for r := range rooms {
		if (pkg == r || strings.HasPrefix(pkg, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

func TestArrowsHold(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := room(fields[0])
		if from == "gameday" && fields[0] != "gameday" {
			t.Errorf("%s is in no room", fields[0])
			continue
		}
		seen[from] = true
		for _, imported := range fields[1:] {
			if imported != "gameday" && !strings.HasPrefix(imported, "gameday/") {
				continue
			}
			to := room(imported)
			allowed := to == from
			for _, r := range rooms[from] {
				allowed = allowed || r == to
			}
			if !allowed {
				t.Errorf("%s imports %s: there is no arrow from %s to %s", fields[0], imported, from, to)
			}
		}
	}
	for _, r := range []string{"gameday/runbook", "gameday/journal", "gameday/engine", "gameday/tui", "gameday/cmd/gameday", "gameday/cmd/orchestrator"} {
		if !seen[r] {
			t.Errorf("the room %s is empty", r)
		}
	}
}
