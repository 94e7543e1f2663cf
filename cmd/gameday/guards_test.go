package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gameday/engine/platform"
	"gameday/journal"
	"gameday/runbook"
)

// heldDay writes the journal of a day in an environment, with a verdict.
func heldDay(t *testing.T, folder, environment string, verdict journal.Verdict) {
	t.Helper()
	log, err := journal.Create(filepath.Join(folder, string(verdict)+"-"+environment))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		kind journal.Kind
		body any
	}{
		{journal.GamedayOpened, journal.Opened{Environment: environment}},
		{journal.RunStarted, journal.RunBody{Run: 1, Experiment: "kill-a-worker"}},
		{journal.VerdictReached, journal.VerdictBody{Run: 1, Verdict: verdict}},
	} {
		if _, err := log.Add(e.kind, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestProductionAsksForEverything(t *testing.T) {
	rb, err := runbook.FromLibrary("kill-a-worker")
	if err != nil {
		t.Fatal(err)
	}
	rb.Environment = "production"
	past := t.TempDir()
	heldDay(t, past, "staging", journal.Held)
	here := place{Target: platform.Target{Platform: "local", Project: "orchestrator"}}
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
		{"it would last too long", allowed, good, tuesday.Add(5*time.Hour - 10*time.Second), "the run lasts", ""},
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
			note, err := guard(rb, here, c.leave, c.now, strings.NewReader(""), &strings.Builder{})
			switch {
			case c.want == "" && (err != nil || !strings.Contains(note, c.note)):
				t.Errorf("%q, %v", note, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	rb.Environment = "rehearsal"
	if _, err := guard(rb, here, leave{}, tuesday, strings.NewReader(""), &strings.Builder{}); err != nil {
		t.Error(err)
	}
}

func TestPromotion(t *testing.T) {
	rb, err := runbook.FromLibrary("kill-a-worker")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, c := range []struct {
		what, environment string
		past              []journal.Verdict // in the environment that it comes from, the oldest first
		now               time.Time
		days              int
		by, want          string
	}{
		{"nothing was rehearsed", "staging", nil, now, 0, "", "kill-a-worker has no held run with environment rehearsal"},
		{"rehearsed and held", "staging", []journal.Verdict{journal.Held}, now, 0, "", ""},
		{"refuted", "staging", []journal.Verdict{journal.Refuted}, now, 0, "", "was refuted when it ran last"},
		{"held, and refuted since", "production", []journal.Verdict{journal.Held, journal.Refuted}, now, 0, "", "was refuted when it ran last"},
		{"refuted, and held since", "production", []journal.Verdict{journal.Refuted, journal.Held}, now, 0, "", ""},
		{"held too long ago", "production", []journal.Verdict{journal.Held}, now.AddDate(0, 0, 31), 0, "", "longer than 30 days ago"},
		{"held too long ago for this team", "production", []journal.Verdict{journal.Held}, now.AddDate(0, 0, 8), 7, "", "longer than 7 days ago"},
		{"held within the days", "production", []journal.Verdict{journal.Held}, now.AddDate(0, 0, 6), 7, "", ""},
		{"taken on by name", "production", nil, now, 0, "ada", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			rb.Environment = c.environment
			past := t.TempDir()
			for _, v := range c.past {
				heldDay(t, past, comesFrom[c.environment], v)
				time.Sleep(2 * time.Millisecond)
			}
			note, err := promoted(rb, guards{Days: c.days}, leave{override: c.by, evidence: past}, c.now)
			switch {
			case c.want == "" && (err != nil || strings.HasPrefix(note, "ada overrides") != (c.by != "")):
				t.Errorf("%q, %v", note, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// On AWS the account and the region have to be listed, and the account's alias is typed: in staging too.
func TestAWSAsksForAccountAndRegion(t *testing.T) {
	rb, err := runbook.FromLibrary("kill-a-worker")
	if err != nil {
		t.Fatal(err)
	}
	rb.Environment, rb.Target.Platform, rb.Target.Project = "staging", "aws", "shop"
	past := t.TempDir()
	heldDay(t, past, "rehearsal", journal.Held)
	at := place{platform.Target{Platform: "aws", Project: "shop", Account: "123456789012", Region: "eu-central-1"}, "shop-staging"}
	allowed := "aws:\n  accounts: [\"123456789012\"]\n  regions: [eu-central-1]\n"
	for _, c := range []struct{ what, config, confirm, want string }{
		{"no configuration", "", "shop-staging", "accounts: [\"123456789012\"]"},
		{"another account", strings.Replace(allowed, "123", "999", 1), "shop-staging", "is not in aws.accounts"},
		{"another region", strings.Replace(allowed, "eu-", "us-", 1), "shop-staging", "is not in aws.regions"},
		{"not typed", allowed, "", "--confirm shop-staging"},
		{"the wrong name", allowed, "aws/shop", "--confirm shop-staging"},
		{"a closed window", allowed + "staging:\n  window: {days: [xxx], from: \"10:00\", to: \"16:00\"}\n", "shop-staging", "staging is not allowed now"},
		{"everything is there", allowed, "shop-staging", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if c.config != "" {
				if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("GAMEDAY_CONFIG", path)
			_, err := guard(rb, at, leave{confirm: c.confirm, evidence: past}, time.Now(), strings.NewReader(""), &strings.Builder{})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
