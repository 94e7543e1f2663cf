// Command bench measures what this project claims: each figure beside a peer or a physical limit of the same run. It
// prints a line a figure and writes bench.json. Its figures are for reading, not for failing a build.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Figure is one line of bench.json. Ratio is ours over the peer's.
type Figure struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Peer      string  `json:"peer"`
	PeerValue float64 `json:"peer_value"`
	Ratio     float64 `json:"ratio"`
	Machine   string  `json:"machine"`
}

// bench is one measurement; it may give several figures.
type bench struct {
	name string
	run  func(context.Context) ([]Figure, error)
}

var benches = []bench{
	{"up", benchUp},
	{"kill", benchKill},
	{"idle", benchIdle},
	{"throughput", benchThroughput},
	{"latency", benchLatency},
	{"takeover", benchTakeover},
	{"age", benchAge},
	{"journal", benchJournal},
	{"docker", benchDocker},
	{"aws", benchAWS},
}

func main() {
	only := flag.String("only", "", "run only this one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	var names []string
	for _, b := range benches {
		names = append(names, b.name)
	}
	if only != "" && !slices.Contains(names, only) {
		return fmt.Errorf("there is no benchmark %q (there are: %s)", only, strings.Join(names, ", "))
	}
	home, err := os.MkdirTemp("", "gd")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	if err := os.Chmod(home, 0o711); err != nil {
		return err
	}
	if err := os.Setenv("GAMEDAY_HOME", home); err != nil {
		return err
	}
	defer func() { _ = gameday("down") }()
	var all []Figure
	var failed []error
	for _, b := range benches {
		if only != "" && b.name != only {
			continue
		}
		figures, err := b.run(ctx)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", b.name, err))
			fmt.Printf("%-34s not measured: %v\n", b.name, err)
		}
		for _, f := range figures {
			f.Machine = machine()
			if f.PeerValue != 0 {
				f.Ratio = f.Value / f.PeerValue
			}
			fmt.Printf("%-34s %12.4g %-8s %-28s %12.4g  ratio %.3g\n", f.Name, f.Value, f.Unit, f.Peer, f.PeerValue, f.Ratio)
			all = append(all, f)
		}
		if ctx.Err() != nil {
			break
		}
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.WriteFile("bench.json", append(data, '\n'), 0o644)
	}
	return errors.Join(append(failed, err)...)
}

func machine() string {
	model := runtime.GOARCH
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores", model, runtime.NumCPU())
}

func program() string {
	path, err := filepath.Abs("bin/gameday")
	if err != nil {
		return "bin/gameday"
	}
	return path
}

func gameday(args ...string) error {
	out, err := exec.Command(program(), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("gameday %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// quantile gives the value that a share q of the sorted values does not exceed.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
