package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"gameday/engine"
	"gameday/journal"
	"gameday/runbook"
)

var update = flag.Bool("update", false, "write golden frames anew")

// ear is a session that only listens.
type ear struct{ got []engine.Command }

func (e *ear) Do(c engine.Command) { e.got = append(e.got, c) }
func (*ear) SettingsState(context.Context) (engine.SettingsState, error) {
	return engine.SettingsState{
		Profile: "naive", Settings: map[string]string{"queue.max_attempts": "1", "reaper.every": "off", "reaper.policy": "by-idempotency"},
		Docs:     map[string]string{"queue.max_attempts": "attempts before a task is failed"},
		Profiles: map[string]map[string]string{"naive": {}, "resilient": {"queue.max_attempts": "5", "reaper.every": "2s", "reaper.policy": "by-idempotency"}},
	}, nil
}

func console(t *testing.T, width, height int) (*model, *ear) {
	t.Helper()
	rb, err := runbook.FromLibrary("kill-a-worker")
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{}
	m := newModel(Options{Session: e, Feed: NewFeed(), Runbook: rb, By: "ada", Folder: "gamedays/x", Ended: make(chan error)})
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	return m, e
}

// day is a real game day, as a session wrote it.
func day(t *testing.T) []journal.Event {
	t.Helper()
	events, _, err := journal.Read("testdata/day")
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// upTo gives the events to the nth of a kind, and those of the given time after it.
func upTo(t *testing.T, events []journal.Event, kind journal.Kind, nth int, after time.Duration) []journal.Event {
	t.Helper()
	for i, e := range events {
		if e.Kind != kind {
			continue
		}
		if nth--; nth == 0 {
			for i+1 < len(events) && events[i+1].Off <= e.Off+after {
				i++
			}
			return events[:i+1]
		}
	}
	t.Fatalf("the day has no %s", kind)
	return nil
}

func tell(m *model, events []journal.Event) {
	for i, e := range events {
		_, _ = m.Update(heard{e})
		if e.Kind == journal.RunEnded || e.Kind == journal.ChangeMade && i == len(events)-1 {
			m.Update(m.askSettings())
		}
	}
}

func key(k string) tea.KeyPressMsg {
	codes := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "space": tea.KeySpace}
	if rest, ok := strings.CutPrefix(k, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(rest[0]), Mod: tea.ModCtrl}
	}
	if code, ok := codes[k]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	return tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
}

// press presses keys and carries out what they ask for.
func press(m *model, keys ...string) {
	for _, k := range keys {
		_, cmd := m.Update(key(k))
		run(m, cmd)
	}
}

func run(m *model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	if batch, ok := cmd().(tea.BatchMsg); ok {
		for _, c := range batch {
			run(m, c)
		}
	}
}

func TestFrames(t *testing.T) {
	events := day(t)
	for _, c := range []struct {
		name   string
		events []journal.Event
		keys   []string
	}{
		{"welcome", upTo(t, events, journal.UnitsSeen, 1, 0), nil},
		{"steady", upTo(t, events, journal.BaselineHeld, 1, 0), nil},
		{"expectation", upTo(t, events, journal.BaselineHeld, 1, 0), []string{"down", "e"}},
		{"hypothesis", upTo(t, events, journal.PredictionMade, 1, 0), nil},
		{"plan", upTo(t, events, journal.PlanMade, 1, 0), nil},
		{"confirm", upTo(t, events, journal.PlanMade, 1, 0), []string{"enter"}},
		{"observe", upTo(t, events, journal.FaultInEffect, 1, 8*time.Second), nil},
		{"timeline", upTo(t, events, journal.FaultInEffect, 1, 8*time.Second), []string{"tab"}},
		{"refuted", upTo(t, events, journal.RunEnded, 1, 0), nil},
		{"change", upTo(t, events, journal.RunEnded, 1, 0), []string{"tab", "tab", "down"}},
		{"again", upTo(t, events, journal.FaultInEffect, 2, 8*time.Second), nil},
		{"held", upTo(t, events, journal.RunEnded, 2, 0), nil},
		{"help", upTo(t, events, journal.RunEnded, 2, 0), []string{"?"}},
	} {
		for _, size := range [][2]int{{80, 24}, {160, 50}} {
			name := fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				m, _ := console(t, size[0], size[1])
				tell(m, c.events)
				press(m, c.keys...)
				golden(t, name, frame(t, m))
			})
		}
	}
}

// frame draws the screen, and checks that it fits it exactly.
func frame(t *testing.T, m *model) string {
	t.Helper()
	lines := strings.Split(m.screen(), "\n")
	if len(lines) != m.height {
		t.Errorf("%d lines on a screen of %d", len(lines), m.height)
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w > m.width {
			t.Errorf("line %d is %d columns wide on a screen of %d: %q", i, w, m.width, ansi.Strip(l))
		}
		lines[i] = strings.TrimRight(ansi.Strip(l), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "frames", name+".txt")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the frame is not what it was (go test ./tui -update writes it anew):\n%s", got)
	}
}

// Whatever the size, the screen fits it.
func TestEverySizeFits(t *testing.T) {
	events := day(t)
	var stages []*journal.Record
	for _, stage := range []journal.Kind{journal.UnitsSeen, journal.PlanMade, journal.RunEnded} {
		stages = append(stages, journal.Fold(upTo(t, events, stage, 1, 0)))
	}
	for width := 20; width <= 200; width += 12 {
		for height := 8; height <= 60; height += 4 {
			m, _ := console(t, width, height)
			for _, m.record = range stages {
				frame(t, m)
			}
			m.help = true
			frame(t, m)
		}
	}
}

func TestKeysBecomeCommands(t *testing.T) {
	events := day(t)
	for _, c := range []struct {
		name   string
		events []journal.Event
		keys   []string
		want   string
	}{
		{"enter begins the first run", upTo(t, events, journal.UnitsSeen, 1, 0), []string{"enter"}, `engine.Start{Experiment:"kill-a-worker", Count:0}`},
		{"enter goes on when the steady state holds", upTo(t, events, journal.BaselineHeld, 1, 0), []string{"enter"}, `engine.Proceed{}`},
		{"enter does not go on before", upTo(t, events, journal.RunStarted, 1, 0), []string{"enter"}, ""},
		{"a plan is not carried out by enter alone", upTo(t, events, journal.PlanMade, 1, 0), []string{"enter"}, ""},
		{"nor after a no", upTo(t, events, journal.PlanMade, 1, 0), []string{"enter", "n"}, ""},
		{"y confirms it", upTo(t, events, journal.PlanMade, 1, 0), []string{"enter", "y"}, `engine.Confirm{By:"ada"}`},
		{"what nothing puts back is asked about twice", irreversible(upTo(t, events, journal.PlanMade, 1, 0)), []string{"enter", "y"}, ""},
		{"and done after the second yes", irreversible(upTo(t, events, journal.PlanMade, 1, 0)), []string{"enter", "y", "y"}, `engine.Confirm{By:"ada"}`},
		{"x halts", upTo(t, events, journal.FaultInEffect, 1, 0), []string{"x"}, `engine.Halt{By:"ada"}`},
		{"ctrl+x halts from within a form", upTo(t, events, journal.FaultInEffect, 1, 0), []string{"n", "h", "ctrl+x"}, `engine.Halt{By:"ada"}`},
		{"x in a form is a letter", upTo(t, events, journal.FaultInEffect, 1, 0), []string{"n", "x", "enter"}, `engine.Note{By:"ada", Text:"x"}`},
		{"ctrl+c halts first", upTo(t, events, journal.FaultInEffect, 1, 0), []string{"ctrl+c"}, `engine.Halt{By:"ada"}`},
		{"ctrl+c twice leaves", upTo(t, events, journal.FaultInEffect, 1, 0), []string{"ctrl+c", "ctrl+c"}, `engine.Halt{By:"ada"} engine.Halt{By:"ada"} engine.Close{}`},
		{"leaving asks", upTo(t, events, journal.RunEnded, 1, 0), []string{"q"}, ""},
		{"and then closes", upTo(t, events, journal.RunEnded, 1, 0), []string{"q", "y"}, `engine.Halt{By:"ada"} engine.Close{}`},
		{"c changes what is chosen", upTo(t, events, journal.RunEnded, 1, 0), []string{"c", "enter"}, `engine.Alter{Change:engine.Change{Profile:"", Values:map[string]string{"queue.max_attempts":"5", "reaper.every":"2s"}, By:"ada", Why:"what run 1 showed"}}`},
		{"one setting alone", upTo(t, events, journal.RunEnded, 1, 0), []string{"space", "c", "enter"}, `engine.Alter{Change:engine.Change{Profile:"", Values:map[string]string{"reaper.every":"2s"}, By:"ada", Why:"what run 1 showed"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, e := console(t, 80, 24)
			tell(m, c.events)
			press(m, c.keys...)
			var got []string
			for _, cmd := range e.got {
				got = append(got, fmt.Sprintf("%#v", cmd))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
			frame(t, m)
		})
	}
}

// A disabled key says why.
func TestDisabledKeysSayWhy(t *testing.T) {
	m, _ := console(t, 80, 24)
	tell(m, upTo(t, day(t), journal.PhaseEntered, 1, 0))
	press(m, "enter")
	if !strings.Contains(frame(t, m), "go on is not possible now: ") {
		t.Error(frame(t, m))
	}
}

// Nothing that a target says reaches the terminal raw.
func TestHostileTextIsShownHarmlessly(t *testing.T) {
	hostile := "\x1b]0;owned\x07\u202e<b>"
	body := func(v any) json.RawMessage { data, _ := json.Marshal(v); return data }
	m, _ := console(t, 80, 24)
	tell(m, []journal.Event{
		{Kind: journal.GamedayOpened, Body: body(journal.Opened{Title: hostile})},
		{Kind: journal.UnitsSeen, Body: body(journal.Units{Units: []journal.Unit{{Unit: hostile, Instance: hostile, State: hostile}}})},
		{Kind: journal.RunStarted, Body: body(journal.RunBody{Run: 1, Hypothesis: hostile, Profile: hostile, Probes: []journal.ProbeDef{{Name: hostile, Expect: hostile}}})},
		{Kind: journal.SamplesTaken, Body: body(journal.Samples{Run: 1, Probes: []journal.Sample{{Error: hostile}}})},
		{Kind: journal.UnitChanged, Body: body(journal.Unit{Unit: hostile, State: hostile, Exit: hostile})},
		{Kind: journal.Refused, Body: body(journal.Said{Text: hostile})},
	})
	for range 2 {
		for _, phase := range journal.Phases {
			tell(m, []journal.Event{{Kind: journal.PhaseEntered, Body: body(journal.PhaseBody{Run: 1, Phase: phase})}})
			if raw := m.screen(); strings.Contains(raw, "\x1b]0;") || strings.Contains(raw, "\u202e") || strings.Contains(raw, "\x07") {
				t.Errorf("in %s the screen holds it raw", phase)
			}
		}
		press(m, "tab")
	}
}

// irreversible makes the plan's faults such that nothing puts back.
func irreversible(events []journal.Event) []journal.Event {
	changed := slices.Clone(events)
	for i, e := range changed {
		if e.Kind == journal.PlanMade {
			changed[i].Body = bytes.ReplaceAll(e.Body, []byte(`"reversibility":"reversible"`), []byte(`"reversibility":"irreversible"`))
		}
	}
	return changed
}
