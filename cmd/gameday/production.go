package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"go.yaml.in/yaml/v3"

	"gameday/journal"
	"gameday/runbook"
)

// guards are what a user's configuration allows in production. Without it nothing is.
type guards struct {
	Allow  []string `yaml:"allow"` // targets, as platform/project
	Window window   `yaml:"window"`
}

// window is when: days by their first three letters, and times of day as 10:00, in this machine's time zone.
type window struct {
	Days []string `yaml:"days"`
	From string   `yaml:"from"`
	To   string   `yaml:"to"`
}

// leave is what the flags bring to a production run.
type leave struct {
	confirm  string // the target, typed
	override string // who runs it without a held staging run
	evidence string // folder of past game days
}

func configPath() (string, error) {
	if path := os.Getenv("GAMEDAY_CONFIG"); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "gameday", "config.yaml"), err
}

// readGuards reads the production part of the user's configuration.
func readGuards() (guards, string, error) {
	path, err := configPath()
	if err != nil {
		return guards{}, "", err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return guards{}, path, fmt.Errorf("production is not allowed: there is no %s; write there, for example:\n\nproduction:\n  allow: [local/orchestrator]\n  window: {days: [tue, wed, thu], from: \"10:00\", to: \"16:00\"}", path)
	}
	if err != nil {
		return guards{}, path, err
	}
	var config struct {
		Production guards `yaml:"production"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil {
		return guards{}, path, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return config.Production, path, nil
}

// guardProduction lets a runbook for production through only with everything that production asks for. note, where it is
// not empty, belongs into the journal.
func guardProduction(rb *runbook.Runbook, experiments []string, l leave, now time.Time, in io.Reader, out io.Writer) (note string, err error) {
	if rb.Environment != "production" {
		return "", nil
	}
	target := rb.Target.Platform + "/" + rb.Target.Project
	g, path, err := readGuards()
	if err != nil {
		return "", err
	}
	if !slices.Contains(g.Allow, target) {
		return "", fmt.Errorf("production is not allowed: %s is not in production.allow of %s", target, path)
	}
	if err := g.Window.open(now); err != nil {
		return "", fmt.Errorf("production is not allowed now: %w (production.window of %s)", err, path)
	}
	if missing := notHeldInStaging(rb, experiments, l.evidence); len(missing) > 0 {
		if l.override == "" {
			return "", fmt.Errorf("production is not allowed: %s has no held run with environment staging in %s; run it there first, or take it on yourself with --override YOUR-NAME, which the journal keeps", strings.Join(missing, ", "), l.evidence)
		}
		note = fmt.Sprintf("%s overrides that %s was not held in staging", l.override, strings.Join(missing, ", "))
	}
	return note, typed(target, l.confirm, in, out)
}

// open reports whether a time is within the window.
func (w window) open(now time.Time) error {
	from, err1 := time.Parse("15:04", w.From)
	to, err2 := time.Parse("15:04", w.To)
	if err1 != nil || err2 != nil || len(w.Days) == 0 {
		return errors.New("there is no window of days, from and to")
	}
	day := strings.ToLower(now.Weekday().String()[:3])
	minutes := func(t time.Time) int { return 60*t.Hour() + t.Minute() }
	if !slices.Contains(w.Days, day) || minutes(now) < minutes(from) || minutes(now) >= minutes(to) {
		return fmt.Errorf("it is %s, and the window is %s from %s to %s", now.Format("Mon 15:04"), strings.Join(w.Days, " "), w.From, w.To)
	}
	return nil
}

// notHeldInStaging names the experiments that no past game day in staging held.
func notHeldInStaging(rb *runbook.Runbook, experiments []string, folder string) []string {
	held := map[string]bool{}
	days, _ := pastDays(folder)
	for _, d := range days {
		if d.err != nil || d.record.Opened.Environment != "staging" {
			continue
		}
		for _, run := range d.record.Runs {
			if run.Verdict != nil && run.Verdict.Verdict == journal.Held {
				held[run.Experiment] = true
			}
		}
	}
	var missing []string
	for _, e := range rb.Experiments {
		if (len(experiments) == 0 || slices.Contains(experiments, e.Name)) && !held[e.Name] {
			missing = append(missing, e.Name)
		}
	}
	return missing
}

// typed asks for the target's name, typed out; --yes does not stand for it.
func typed(target, given string, in io.Reader, out io.Writer) error {
	if given == "" {
		if f, ok := in.(*os.File); ok && term.IsTerminal(f.Fd()) {
			fmt.Fprintf(out, "This is production. Type the target's name to go on: ")
			line, _ := bufio.NewReader(in).ReadString('\n')
			given = strings.TrimSpace(line)
		}
	}
	if given != target {
		return fmt.Errorf("production asks for the target's name, typed out: --confirm %s", target)
	}
	return nil
}
