package keeper

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gameday/engine/platform"
)

func TestTheNewestWordOnALeaseCounts(t *testing.T) {
	dir := t.TempDir()
	a, b := NewLease("a", time.Minute), NewLease("b", time.Minute)
	a.Undo = []platform.Step{{Op: platform.Start, Unit: "worker-1"}}
	if err := put(dir, a, b); err != nil {
		t.Fatal(err)
	}
	b.State = Gone
	if err := put(dir, b); err != nil {
		t.Fatal(err)
	}
	// A line that was torn by a crash was never acted upon.
	f, err := os.OpenFile(filepath.Join(dir, intentsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"id":"a","state":"go`)
	_ = f.Close()
	all, err := leases(dir)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if left := open(all); len(left) != 1 || left[0].ID != "a" || left[0].Undo[0].Unit != "worker-1" {
		t.Errorf("%+v", left)
	}
	if info, err := os.Stat(filepath.Join(dir, intentsFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("others may read the intent log:", info.Mode(), err)
	}
}

func TestDeadlinesCountSuspendedTimeAndEndWithTheBoot(t *testing.T) {
	l := NewLease("a", 50*time.Millisecond)
	if l.overdue(0) {
		t.Error("it is overdue at once")
	}
	l.Deadline -= int64(time.Second) // as after a second of sleep
	if !l.overdue(0) || l.overdue(time.Minute) {
		t.Error("it is not overdue after its time, or too early")
	}
	other := NewLease("b", time.Hour)
	other.Boot = "another"
	if !other.overdue(time.Hour) {
		t.Error("a lease of an earlier boot is not overdue")
	}
}

// FuzzLeases feeds intent logs that a broken disk or somebody's editor may leave.
func FuzzLeases(f *testing.F) {
	f.Add([]byte(`{"id":"a","state":"armed","undo":[{"op":"start","unit":"worker-1"}]}` + "\n" + `{"id":"a","state":"gone"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, intentsFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := leases(dir)
		if err == nil {
			open(all)
		}
	})
}

// A console that lives is given the time that a slow platform takes; one that had its time, or is another keeper, is not.
func TestTheConsolesOwnRevertIsNotDoubled(t *testing.T) {
	slow := Lease{Undo: []platform.Step{{Op: platform.Mend, Limit: time.Minute}}, State: Reverting, By: "its deadline", At: time.Now()}
	quick, late, kept, active := slow, slow, slow, slow
	quick.Undo = []platform.Step{{Op: platform.Start}}
	late.At = time.Now().Add(-2 * time.Minute)
	kept.By = keeperName
	active.State = Active
	for name, c := range map[string]struct {
		l    Lease
		want bool
	}{"slow": {slow, true}, "quick": {quick, false}, "late": {late, false}, "the keeper's": {kept, false}, "active": {active, false}} {
		if c.l.inHand() != c.want {
			t.Errorf("%s: %v", name, c.l.inHand())
		}
	}
}
