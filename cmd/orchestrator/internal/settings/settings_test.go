package settings

import (
	"strings"
	"testing"
	"time"
)

func TestEveryProfileSurvivesItsOwnMap(t *testing.T) {
	t.Parallel()
	for name, profile := range Profiles {
		got, err := Settings{}.With(profile.Map())
		if err != nil || got != profile {
			t.Errorf("%s: read back as %+v, %v", name, got, err)
		}
		if got.Profile() != name {
			t.Errorf("%s is called %s", name, got.Profile())
		}
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	t.Parallel()
	before := Profiles["naive"]
	_, err := before.With(map[string]string{
		"queue.visibility_timeout": "soon", "queue.max_attempts": "0", "queue.backoff": "5s-1s", "reaper.policy": "shrug",
		"failures.mark_and_notify": "maybe", "failures.webhook": "ftp://x", "tasks.abandon": "1s",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, name := range []string{"queue.visibility_timeout", "queue.max_attempts", "queue.backoff", "reaper.policy", "failures.mark_and_notify", "failures.webhook", "tasks.abandon"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not mentioned in: %v", name, err)
		}
	}
}

func TestDiffNamesOldAndNew(t *testing.T) {
	t.Parallel()
	after, err := Profiles["naive"].With(map[string]string{"tasks.abandon_after": "10s"})
	if err != nil {
		t.Fatal(err)
	}
	changes := after.Diff(Profiles["naive"])
	if len(changes) != 1 || changes[0] != (Change{"tasks.abandon_after", "5m0s", "10s"}) {
		t.Errorf("got %+v", changes)
	}
	if after.Profile() != "custom" {
		t.Errorf("called %s", after.Profile())
	}
}

func TestBackoffGrowsAndStaysBounded(t *testing.T) {
	t.Parallel()
	b := Backoff{50 * time.Millisecond, 2 * time.Second}
	if b.Before(1) != 0 || (Backoff{}).Before(9) != 0 {
		t.Error("the first attempt or an absent backoff waits")
	}
	for attempt := 2; attempt < 100; attempt++ {
		if wait := b.Before(attempt); wait < b.Base/2 || wait > b.Max+b.Base {
			t.Fatalf("attempt %d waits %v", attempt, wait)
		}
	}
}

func FuzzWith(f *testing.F) {
	f.Add("queue.backoff", "50ms-2s")
	f.Add("reaper.every", "off")
	f.Fuzz(func(t *testing.T, name, value string) {
		got, err := Profiles["naive"].With(map[string]string{name: value})
		if err != nil {
			return
		}
		again, err := Settings{}.With(got.Map())
		if err != nil || again != got {
			t.Fatalf("%q=%q does not survive its own map: %+v, %+v, %v", name, value, got, again, err)
		}
	})
}
