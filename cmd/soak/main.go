// Command soak breaks the bundled stack at random, with resilient settings and under load, for a set time, and then asks
// what became of everything that was acknowledged. Its seed is printed; the same seed makes the same choices.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"gameday/engine/check"
	"gameday/engine/fault"
	"gameday/engine/keeper"
	"gameday/engine/load"
	"gameday/engine/platform"
	"gameday/engine/platform/local"
	"gameday/runbook"
)

func main() {
	seconds := flag.Int("seconds", 60, "how long faults are injected")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano())%1_000_000, "seed of every choice")
	rate := flag.Float64("rate", 30, "workflows submitted a second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, time.Duration(*seconds)*time.Second, *seed, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// shape is a kind of fault that the soak knows, and how often it is drawn.
type shape struct {
	weight  int
	fault   runbook.Fault
	longest time.Duration // that it lasts
}

var shapes = []shape{
	{5, runbook.Fault{Kind: "kill", Select: runbook.Selector{Service: "worker"}, Params: &runbook.KillParams{}}, 6 * time.Second},
	{2, runbook.Fault{Kind: "kill", Select: runbook.Selector{Service: "worker", Count: 2}, Params: &runbook.KillParams{}}, 6 * time.Second},
	{3, runbook.Fault{Kind: "kill", Select: runbook.Selector{Service: "api"}, Params: &runbook.KillParams{}}, 4 * time.Second},
	{3, runbook.Fault{Kind: "kill", Select: runbook.Selector{Service: "scheduler"}, Params: &runbook.KillParams{}}, 5 * time.Second},
	{2, runbook.Fault{Kind: "stop", Select: runbook.Selector{Service: "worker"}, Params: &runbook.StopParams{Grace: runbook.Duration(3 * time.Second)}}, 4 * time.Second},
	{4, runbook.Fault{Kind: "pause", Select: runbook.Selector{Service: "worker"}}, 12 * time.Second}, // longer than its leases
	{2, runbook.Fault{Kind: "pause", Select: runbook.Selector{Service: "api"}}, 4 * time.Second},
	{2, runbook.Fault{Kind: "pause", Select: runbook.Selector{Service: "scheduler"}}, 6 * time.Second},
	{3, runbook.Fault{Kind: "kill", Select: runbook.Selector{Service: "cache", Pick: "primary"}, Params: &runbook.KillParams{}}, 8 * time.Second},
	{2, runbook.Fault{Kind: "pause", Select: runbook.Selector{Service: "cache", Pick: "primary"}}, 5 * time.Second},
	{1, runbook.Fault{Kind: "kill", Select: runbook.Selector{Service: "sentinel"}, Params: &runbook.KillParams{}}, 5 * time.Second},
	{2, runbook.Fault{Kind: "kill", Select: runbook.Selector{Service: "postgres"}, Params: &runbook.KillParams{}}, 3 * time.Second},
	{1, runbook.Fault{Kind: "pause", Select: runbook.Selector{Service: "postgres"}}, 4 * time.Second},
	{2, runbook.Fault{Kind: "restart", Select: runbook.Selector{Instance: "i-1"}, Params: &runbook.RestartParams{}}, 6 * time.Second},
	{2, runbook.Fault{Kind: "restart", Select: runbook.Selector{Instance: "i-2"}, Params: &runbook.RestartParams{}}, 6 * time.Second},
}

func draw(random *rand.Rand) shape {
	total := 0
	for _, s := range shapes {
		total += s.weight
	}
	n := random.IntN(total)
	for _, s := range shapes {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	return shapes[0]
}

const project = "soak"

func run(ctx context.Context, span time.Duration, seed uint64, rate float64) error {
	home, err := os.MkdirTemp("", "gd")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Chmod(home, 0o711), os.Setenv("GAMEDAY_HOME", home)); err != nil {
		return err
	}
	program, err := filepath.Abs("bin/gameday")
	if err != nil {
		return err
	}
	if out, err := exec.Command(program, "up", "--project", project, "--profile", "resilient").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	defer func() {
		_ = exec.Command(program, "down", "--project", project).Run()
		_ = os.RemoveAll(home)
	}()
	stack, err := local.Open(ctx, project)
	if err != nil {
		return err
	}
	env, err := stack.Environment(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("seed %d, %s of faults, %.0f workflows/s\n", seed, span, rate)
	random := rand.New(rand.NewPCG(seed, 0))
	samples := []string{"fan-out", "sequence", "diamond", "noop"}
	work := load.Start(load.Spec{
		Rate: rate, Method: http.MethodPost, URL: env["API_URL"] + "/v1/workflows", Header: http.Header{"Content-Type": {"application/json"}}, Ledger: true,
		Body: func(n uint64) []byte {
			body, _ := json.Marshal(map[string]string{"sample": samples[n%4], "key": fmt.Sprintf("soak-%d-%d", seed, n)})
			return body
		},
	})
	injected, skipped, err := breakThings(ctx, stack, random, span)
	work.Stop()
	if err != nil {
		return err
	}
	total := work.Total()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	defer cancel()
	results, err := check.Check(limit, check.Target{DSN: env["POSTGRES_DSN"], Caches: strings.Split(env["CACHE_ADDRS"], ",")},
		[]string{"nothing-lost", "nothing-twice", "nothing-stuck", "stores-agree"}, work.Ledger(), 30*time.Second, func(int) {})
	if err != nil {
		return err
	}
	violations := 0
	for _, r := range results {
		violations += r.Violations
		fmt.Printf("%-14s %d violations of %d: %s\n", r.Name, r.Violations, r.Checked, r.Finding)
		for _, e := range r.Examples {
			fmt.Println("  ", e)
		}
	}
	fmt.Printf("seed %d: %d faults injected, %d not possible when drawn, %d workflows sent, %d acknowledged, %d refused, %d violations\n", seed, injected, skipped, total.Sent, total.OK, total.Bad, violations)
	if violations > 0 {
		return errors.New("the resilient stack did not keep its promises")
	}
	return nil
}

// breakThings injects one fault after the other, now and then two at once, until span is over.
func breakThings(ctx context.Context, stack *local.Stack, random *rand.Rand, span time.Duration) (injected, skipped int, err error) {
	for begun := time.Now(); time.Since(begun) < span && ctx.Err() == nil; {
		n := 1
		if random.IntN(5) == 0 {
			n = 2
		}
		var undo []keeper.Lease
		var longest time.Duration
		for range n {
			s := draw(random)
			lasts := time.Duration(random.Int64N(int64(s.longest)))
			lease, err := inject(ctx, stack, s.fault, random)
			if err != nil {
				skipped++
				continue
			}
			injected++
			fmt.Printf("%6.0fs  %s %v for %s\n", time.Since(begun).Seconds(), s.fault.Kind, lease.Units, lasts.Round(100*time.Millisecond))
			undo, longest = append(undo, lease), max(longest, lasts)
		}
		rest(ctx, longest)
		for _, l := range undo {
			if err := putBack(l); err != nil {
				return injected, skipped, err
			}
		}
		rest(ctx, time.Duration(random.Int64N(int64(2*time.Second))))
	}
	return injected, skipped, nil
}

func inject(ctx context.Context, stack *local.Stack, f runbook.Fault, random *rand.Rand) (keeper.Lease, error) {
	limit, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	made, err := fault.New(f)
	if err != nil {
		return keeper.Lease{}, err
	}
	units, err := stack.Units(limit)
	if err != nil {
		return keeper.Lease{}, err
	}
	chosen, _, err := fault.Select(f.Select, units, random)
	if err != nil {
		return keeper.Lease{}, err
	}
	aim := fault.Aim{Platform: stack, Units: chosen, All: units}
	undo, err := made.Undo(limit, aim)
	if err != nil {
		return keeper.Lease{}, err
	}
	l := keeper.Lease{Fault: f.Kind, Target: platform.Target{Platform: "local", Project: project}, Undo: undo}
	for _, u := range chosen {
		l.Units = append(l.Units, u.Name)
	}
	if err := made.Inject(limit, aim); err != nil {
		return l, errors.Join(err, putBack(l))
	}
	return l, nil
}

func putBack(l keeper.Lease) error {
	open := func(ctx context.Context, t platform.Target) (platform.Platform, error) {
		return local.Open(ctx, t.Project)
	}
	var err error
	for range 20 {
		if _, err = keeper.Undo(context.Background(), open, l); err == nil {
			return nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return err
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
