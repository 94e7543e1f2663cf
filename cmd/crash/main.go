// Command crash proves that nothing is left behind. It runs an experiment with each kind of fault again and again, kills
// the console, its keeper or both at one step boundary after the other, and looks from outside whether the target is whole
// afterwards. The boundaries are not picked by hand: a first run writes down every one that it reaches.
//
// It needs the programs built with the tag `crash`; `make crash` does that.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	kills := flag.Int("kills", 60, "how many boundaries to die at; those that were generated are gone through until that many died")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano())%1_000_000, "seed of their order")
	where := flag.String("platform", "local", "where the target is: local, compose or aws (an endpoint of our own)")
	only := flag.String("only", "", "only these faults, by name, with commas")
	bin := flag.String("bin", "bin/crash", "folder of the programs, built with the tag crash")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *where, *only, *kills, *seed, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// point is one boundary to die at. Its victim is the console at its own boundaries, its keeper at the console's, both at
// the console's, or the keeper at its own.
type point struct {
	fault, victim string
	at            int
	name          string
}

type prover struct {
	home, gameday, platform string
	faults                  map[string]string
	target                  target
	runs                    int
}

func run(ctx context.Context, where, only string, kills int, seed uint64, bin string) error {
	faults := map[string]string{}
	for name, f := range all[where] {
		if only == "" || slices.Contains(strings.Split(only, ","), name) {
			faults[name] = f
		}
	}
	if len(faults) == 0 {
		return fmt.Errorf("no fault is chosen (on %s there are: %v)", where, slices.Sorted(maps.Keys(all[where])))
	}
	home, err := os.MkdirTemp("", "gd")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	program, err := filepath.Abs(filepath.Join(bin, "gameday"))
	if err != nil {
		return err
	}
	if err := errors.Join(os.Chmod(home, 0o711), os.Setenv("GAMEDAY_HOME", home)); err != nil {
		return err
	}
	p := &prover{home: home, gameday: program, platform: where, faults: faults}
	if where != "aws" {
		if err := p.up(ctx); err != nil {
			return err
		}
		defer func() {
			_ = exec.Command(program, "down", "--platform", where, "--project", project, "--volumes").Run()
		}()
	}
	if p.target, err = look(ctx, where); err != nil {
		return err
	}
	points, err := p.generate(ctx)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	fmt.Printf("seed %d: %d boundaries generated over %d faults\n", seed, len(points), len(faults))
	died, missed, left := 0, 0, 0
	for i := 0; died < kills && i < 3*kills && ctx.Err() == nil; i++ {
		at := points[i%len(points)]
		reached, err := p.try(ctx, at)
		switch {
		case err != nil:
			left++
			fmt.Printf("LEFT BEHIND  %s, %s dies at %d (%s): %v\n", at.fault, at.victim, at.at, at.name, err)
		case !reached:
			missed++
		}
		if reached {
			died++
		}
	}
	fmt.Printf("seed %d: %d kills at %d generated boundaries, %d not reached that time, %d left something behind\n", seed, died, len(points), missed, left)
	if left > 0 {
		return errors.New("something was left behind")
	}
	return ctx.Err()
}

func (p *prover) up(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, p.gameday, "up", "--platform", p.platform, "--project", project, "--profile", "resilient").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// book is the runbook that injects a fault.
func (p *prover) book(name string) []byte {
	if p.platform == "aws" {
		return fmt.Appendf(nil, shopBook, p.faults[name])
	}
	return fmt.Appendf(nil, book, p.platform, project, p.faults[name])
}

// keeperLimit is what a keeper has to put everything back: three seconds, and on AWS what that takes to show it.
func (p *prover) keeperLimit() time.Duration {
	if p.platform == "aws" {
		return 30 * time.Second
	}
	return 3*time.Second + 500*time.Millisecond
}

// generate runs each fault undisturbed, and once with its console killed right after the injection so that the keeper
// goes its whole way too, and lists what both reach.
func (p *prover) generate(ctx context.Context) ([]point, error) {
	var points []point
	for _, name := range slices.Sorted(maps.Keys(p.faults)) {
		trace := filepath.Join(p.home, "trace")
		_ = os.Remove(trace)
		if _, err := p.play(ctx, name, "GAMEDAY_CRASH_TRACE="+trace); err != nil {
			return nil, err
		}
		console, err := reached(trace, "console")
		if err != nil {
			return nil, err
		}
		after := 0
		for i, b := range console {
			points = append(points, point{name, "console", i + 1, b}, point{name, "its keeper", i + 1, b}, point{name, "both", i + 1, b})
			if strings.HasPrefix(b, "inject: after") {
				after = i + 1
			}
		}
		_ = os.Remove(trace)
		if _, err := p.play(ctx, name, "GAMEDAY_CRASH_TRACE="+trace, "GAMEDAY_CRASH=console", fmt.Sprintf("GAMEDAY_CRASH_AT=%d", after)); err == nil {
			return nil, fmt.Errorf("%s: the console outlived its boundary %d of %v", name, after, console)
		}
		if err := p.whole(ctx, max(5*time.Second, p.keeperLimit())); err != nil {
			return nil, err
		}
		keeper, err := reached(trace, "keeper")
		if err != nil {
			return nil, err
		}
		for i, b := range keeper {
			points = append(points, point{name, "keeper", i + 1, b})
		}
	}
	return points, nil
}

func reached(trace, who string) ([]string, error) {
	data, err := os.ReadFile(trace)
	var names []string
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, who+" "); ok {
			_, name, _ := strings.Cut(strings.TrimSpace(rest), " ")
			names = append(names, name)
		}
	}
	return names, err
}

// play runs the experiment with one fault; an error means that the console did not end by itself.
func (p *prover) play(ctx context.Context, name string, env ...string) (folder string, err error) {
	p.runs++
	path := filepath.Join(p.home, "book.yaml")
	if err := os.WriteFile(path, p.book(name), 0o644); err != nil {
		return "", err
	}
	folder = filepath.Join(p.home, "days", fmt.Sprint(p.runs))
	limit, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limit, p.gameday, "run", path, "--yes", "--journal", folder)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.Exited() {
		return folder, nil // whatever its verdict
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return folder, err
}

// try dies at one boundary and looks whether the target is whole. The keeper at its own boundaries dies while it cleans
// up after a console that was killed.
func (p *prover) try(ctx context.Context, at point) (died bool, err error) {
	trace := filepath.Join(p.home, "trace")
	_ = os.Remove(trace)
	env := []string{"GAMEDAY_CRASH_TRACE=" + trace, "GAMEDAY_CRASH=" + at.victim, fmt.Sprintf("GAMEDAY_CRASH_AT=%d", at.at)}
	var folder string
	if at.victim == "keeper" {
		// The console is killed from outside, once the fault is in effect.
		folder, err = p.playAndKill(ctx, at.fault, env...)
		if err != nil {
			return false, err
		}
	} else {
		folder, _ = p.play(ctx, at.fault, env...)
	}
	who := "console"
	if at.victim == "keeper" {
		who = "keeper"
	}
	names, err := reached(trace, who)
	if err != nil {
		return false, err
	}
	died = len(names) >= at.at
	// The keeper has three seconds; where it died too, recover has to do.
	if at.victim == "console" || at.victim == "its keeper" {
		if err := p.whole(ctx, p.keeperLimit()); err != nil {
			return died, err
		}
	}
	if out, err := exec.CommandContext(ctx, p.gameday, "recover").CombinedOutput(); err != nil {
		return died, fmt.Errorf("recover: %w: %s", err, out)
	}
	if err := p.whole(ctx, time.Second); err != nil {
		return died, err
	}
	return died, p.journalWhole(ctx, folder)
}

func (p *prover) playAndKill(ctx context.Context, name string, env ...string) (string, error) {
	p.runs++
	path, folder := filepath.Join(p.home, "book.yaml"), filepath.Join(p.home, "days", fmt.Sprint(p.runs))
	if err := os.WriteFile(path, p.book(name), 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, p.gameday, "run", path, "--yes", "--journal", folder)
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		data, _ := os.ReadFile(filepath.Join(folder, "events.jsonl"))
		if strings.Contains(string(data), "fault.in_effect") {
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	time.Sleep(700 * time.Millisecond) // the keeper goes its way, or dies on it
	return folder, nil
}

// whole looks from outside, for as long as within: the target is as it was, and nothing of ours is left in it.
func (p *prover) whole(ctx context.Context, within time.Duration) error {
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		wrong := p.target.wrong(ctx)
		if _, err := os.Stat(filepath.Join(p.home, "scripted")); err == nil {
			wrong = "what the script fault made is still there"
		}
		if wrong == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New(wrong)
		}
	}
}

// journalWhole checks that no acknowledged event was lost and that what was put back is told, where there was anything.
func (p *prover) journalWhole(ctx context.Context, folder string) error {
	log := filepath.Join(folder, "events.jsonl")
	data, err := os.ReadFile(log)
	if err != nil || len(data) == 0 {
		return nil // it died before there was a journal
	}
	if out, err := exec.CommandContext(ctx, p.gameday, "journal", "verify", folder).CombinedOutput(); err != nil && !strings.Contains(string(out), "unfinished line") {
		return fmt.Errorf("the journal: %s", out)
	}
	injected, reverted := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(data)) {
		var e struct {
			Kind string
			Body struct{ ID string }
		}
		if json.Unmarshal([]byte(line), &e) != nil {
			continue
		}
		switch e.Kind {
		case "fault.injected":
			injected[e.Body.ID] = true
		case "fault.reverted":
			reverted[e.Body.ID] = true
		}
	}
	for id := range injected {
		if !reverted[id] {
			return fmt.Errorf("the journal does not say who put %s back", id)
		}
	}
	return nil
}
