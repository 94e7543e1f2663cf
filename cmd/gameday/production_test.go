package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gameday/journal"
	"gameday/runbook"
)

func TestProductionAsksForEverything(t *testing.T) {
	rb, err := runbook.FromLibrary("kill-a-worker")
	if err != nil {
		t.Fatal(err)
	}
	rb.Environment = "production"
	past := t.TempDir()
	log, err := journal.Create(filepath.Join(past, "staging"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		kind journal.Kind
		body any
	}{
		{journal.GamedayOpened, journal.Opened{Environment: "staging"}},
		{journal.RunStarted, journal.RunBody{Run: 1, Experiment: "kill-a-worker"}},
		{journal.VerdictReached, journal.VerdictBody{Run: 1, Verdict: journal.Held}},
	} {
		if _, err := log.Add(e.kind, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	tuesday := time.Date(2026, 3, 3, 11, 0, 0, 0, time.UTC)
	allowed := "production:\n  allow: [local/orchestrator]\n  window: {days: [tue], from: \"10:00\", to: \"16:00\"}\n"
	good := leave{confirm: "local/orchestrator", evidence: past}
	for _, c := range []struct {
		what, config string
		leave        leave
		now          time.Time
		want         string // part of the error; empty lets through
		note         string
	}{
		{"no configuration", "", good, tuesday, "there is no", ""},
		{"another target", strings.Replace(allowed, "local/orchestrator", "aws/shop", 1), good, tuesday, "is not in production.allow", ""},
		{"a misspelt key", strings.Replace(allowed, "allow", "alow", 1), good, tuesday, "cannot be read", ""},
		{"no window", "production:\n  allow: [local/orchestrator]\n", good, tuesday, "there is no window", ""},
		{"the wrong day", allowed, good, tuesday.AddDate(0, 0, 1), "it is Wed 11:00", ""},
		{"too early", allowed, good, tuesday.Add(-2 * time.Hour), "it is Tue 09:00", ""},
		{"the last minute is over", allowed, good, tuesday.Add(5 * time.Hour), "it is Tue 16:00", ""},
		{"nothing held in staging", allowed, leave{confirm: good.confirm, evidence: t.TempDir()}, tuesday, "no held run with environment staging", ""},
		{"overridden by name", allowed, leave{confirm: good.confirm, evidence: t.TempDir(), override: "ada"}, tuesday, "", "ada overrides"},
		{"not typed out", allowed, leave{evidence: past}, tuesday, "typed out", ""},
		{"typed wrong", allowed, leave{confirm: "local/orchestra", evidence: past}, tuesday, "typed out", ""},
		{"everything is there", allowed, good, tuesday, "", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if c.config != "" {
				if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("GAMEDAY_CONFIG", path)
			note, err := guardProduction(rb, nil, c.leave, c.now, strings.NewReader(""), &strings.Builder{})
			switch {
			case c.want == "" && (err != nil || !strings.Contains(note, c.note)):
				t.Errorf("%q, %v", note, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	rb.Environment = "rehearsal"
	if _, err := guardProduction(rb, nil, leave{}, tuesday, strings.NewReader(""), &strings.Builder{}); err != nil {
		t.Error(err)
	}
}
