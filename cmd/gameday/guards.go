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

	"gameday/engine/platform"
	"gameday/runbook"
)

// config is what a user's configuration allows. Without it nothing runs in production, nor outside rehearsals on AWS.
type config struct {
	Production guards `yaml:"production"`
	Staging    guards `yaml:"staging"`
	AWS        struct {
		Accounts []string `yaml:"accounts"`
		Regions  []string `yaml:"regions"`
	} `yaml:"aws"`
}

// guards are what one environment asks for.
type guards struct {
	Allow  []string `yaml:"allow"` // targets, as platform/project
	Window window   `yaml:"window"`
	Days   int      `yaml:"held_within_days"` // how old the held run that a promotion asks for may be
}

// window is when: days by their first three letters, and times of day as 10:00, in this machine's time zone.
type window struct {
	Days []string `yaml:"days"`
	From string   `yaml:"from"`
	To   string   `yaml:"to"`
}

// heldWithinDays is how old a held run in staging may be for production, where the configuration does not say.
const heldWithinDays = 30

// leave is what the flags bring to a run outside rehearsals.
type leave struct {
	confirm  string // the target, typed
	override string // who runs it without a held run where it comes from
	evidence string // folder of past game days
}

func configPath() (string, error) {
	if path := os.Getenv("GAMEDAY_CONFIG"); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "gameday", "config.yaml"), err
}

// readConfig reads the user's configuration; there may be none.
func readConfig() (c config, path string, there bool, err error) {
	path, err = configPath()
	if err != nil {
		return c, "", false, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, path, false, nil
	}
	if err != nil {
		return c, path, false, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, path, true, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return c, path, true, nil
}

// place is where a target is, as its platform knows it.
type place struct {
	platform.Target
	alias string // of the account, on AWS
}

// name is what a person types to confirm.
func (p place) name() string {
	if p.alias != "" {
		return p.alias
	}
	return p.String()
}

// guarded reports whether a runbook's environment asks for anything.
func guarded(rb *runbook.Runbook) bool { return rb.Environment != "rehearsal" }

// guard lets a runbook through only with everything that its environment asks for. note, where it is not empty, belongs into
// the journal.
func guard(rb *runbook.Runbook, at place, l leave, now time.Time, in io.Reader, out io.Writer) (note string, err error) {
	if !guarded(rb) {
		return "", nil
	}
	c, path, there, err := readConfig()
	if err != nil {
		return "", err
	}
	onAWS, production := rb.Target.Platform == "aws", rb.Environment == "production"
	if !there && (production || onAWS) {
		return "", fmt.Errorf("%s is not allowed: there is no %s; write there, for example:\n\n%s", rb.Environment, path, exampleConfig(at, onAWS))
	}
	if onAWS {
		if err := c.allows(at, path); err != nil {
			return "", err
		}
	}
	g := c.Staging
	if production {
		g = c.Production
	}
	if err := g.permit(rb, at, now, path); err != nil {
		return "", err
	}
	if note, err = promoted(rb, g, l, now); err != nil {
		return "", err
	}
	if !production && !onAWS {
		return note, nil
	}
	return note, typed(rb.Environment, at.name(), l.confirm, in, out)
}

func exampleConfig(at place, onAWS bool) string {
	text := fmt.Sprintf("production:\n  allow: [%s]\n  window: {days: [tue, wed, thu], from: \"10:00\", to: \"16:00\"}", at)
	if onAWS {
		text += fmt.Sprintf("\naws:\n  accounts: [\"%s\"]\n  regions: [%s]", at.Account, at.Region)
	}
	return text
}

// allows holds a target on AWS to the accounts and regions that the configuration lists.
func (c config) allows(at place, path string) error {
	if !slices.Contains(c.AWS.Accounts, at.Account) {
		return fmt.Errorf("the AWS account %s is not in aws.accounts of %s", at.Account, path)
	}
	if !slices.Contains(c.AWS.Regions, at.Region) {
		return fmt.Errorf("the region %s is not in aws.regions of %s", at.Region, path)
	}
	return nil
}

// permit holds a target to an environment's list and window. Staging asks for them only where the configuration has them.
func (g guards) permit(rb *runbook.Runbook, at place, now time.Time, path string) error {
	production := rb.Environment == "production"
	if (production || len(g.Allow) > 0) && !slices.Contains(g.Allow, at.String()) {
		return fmt.Errorf("%s is not allowed: %s is not in %[1]s.allow of %[3]s", rb.Environment, at, path)
	}
	if !production && len(g.Window.Days) == 0 {
		return nil
	}
	if err := g.Window.open(now); err != nil {
		return fmt.Errorf("%s is not allowed now: %w (%[1]s.window of %[3]s)", rb.Environment, err, path)
	}
	if lasts := planned(rb); g.Window.open(now.Add(lasts)) != nil {
		return fmt.Errorf("%s is not allowed now: the run lasts %s, and the window is over at %s (%[1]s.window of %[4]s)", rb.Environment, lasts, g.Window.To, path)
	}
	return nil
}

// planned is how long the experiments are observed at least.
func planned(rb *runbook.Runbook) time.Duration {
	var all time.Duration
	for _, e := range rb.Experiments {
		all += e.Observe.Std() * time.Duration(max(1, len(e.Escalate)))
	}
	return all
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

// typed asks for the target's name, typed out; --yes does not stand for it.
func typed(environment, name, given string, in io.Reader, out io.Writer) error {
	if given == "" {
		if f, ok := in.(*os.File); ok && term.IsTerminal(f.Fd()) {
			fmt.Fprintf(out, "This is %s. Type %s to go on: ", environment, clean(name))
			line, _ := bufio.NewReader(in).ReadString('\n')
			given = strings.TrimSpace(line)
		}
	}
	if given != name {
		return fmt.Errorf("%s asks for its name, typed out: --confirm %s", environment, name)
	}
	return nil
}
