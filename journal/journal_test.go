package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was (go test ./journal -update writes it anew):\n%s", name, got)
	}
}

func TestMarkdownTellsTheGameDay(t *testing.T) {
	golden(t, "journal.md", Markdown(Fold(sampleDay(t))))
}

func TestResultHasTheAgreedFields(t *testing.T) {
	out, err := Summarize(Fold(sampleDay(t))).JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "result.json", out)
}

func TestExportWritesEverything(t *testing.T) {
	dir := t.TempDir()
	if err := ExportRecord(dir, Fold(sampleDay(t))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"journal.md", "journal.html", "result.json", "charts/1-fast.svg", "charts/2-accepted.svg"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	html, _ := os.ReadFile(filepath.Join(dir, "journal.html"))
	if !bytes.Contains(html, []byte("data:image/svg+xml;base64,")) || bytes.Contains(html, []byte("charts/1-fast.svg\"")) {
		t.Error("the page does not carry its charts")
	}
}

// hostile is what a target might write to get at a terminal or a page.
const hostile = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>[x](javascript:alert(1)) ![i](http://e/x.png) `code` | cell | \u202egnp.exe \u200b &lt; # head\r\n> quote *bold* _it_ $x$ ~~no~~"

func TestHostileTextDoesNotAct(t *testing.T) {
	d := &day{t: t}
	d.add(0, GamedayOpened, Opened{Title: hostile, By: hostile, Platform: hostile, Project: hostile, Environment: hostile})
	d.add(0, UnitsSeen, Units{[]Unit{{Unit: hostile, Service: hostile, Instance: hostile, State: hostile}}})
	d.add(0, RunStarted, RunBody{Run: 1, Experiment: hostile, Hypothesis: hostile, Profile: hostile, Settings: map[string]string{hostile: hostile}, Probes: []ProbeDef{{Name: hostile, Expect: hostile}}})
	d.add(0, PredictionMade, Prediction{Run: 1, Who: hostile})
	f := FaultBody{Run: 1, ID: "f", Fault: hostile, Units: []string{hostile}, By: hostile, Evidence: hostile}
	d.add(0, FaultArmed, f)
	d.add(0, FaultInjected, f)
	d.add(0, SamplesTaken, Samples{Run: 1, Probes: []Sample{{Off: 1, Value: 1, Held: true}, {Off: 2, Error: hostile}, {Off: 3, Value: 2}}})
	d.add(0, FaultRevertFailed, f)
	d.add(0, LoadEnded, LoadTotals{Run: 1, Errors: []string{hostile}})
	d.add(0, TargetCompared, Comparison{Run: 1, Differences: []string{hostile}})
	d.add(0, InvariantsChecked, Invariants{1, []Invariant{{Name: "nothing-lost", Violations: 1, Finding: hostile, Examples: []string{hostile}}}})
	d.add(0, VerdictReached, VerdictBody{Run: 1, Verdict: Refuted, Reasons: []string{hostile}, Probes: []ProbeVerdict{{Name: hostile}}})
	d.add(0, ChangeMade, Change{AfterRun: 1, Name: hostile, Old: hostile, New: hostile, By: hostile, Why: hostile})
	d.add(0, NoteAdded, Said{Text: hostile, By: hostile})
	d.add(0, ActionAdded, Action{What: hostile, Owner: hostile, Due: hostile})
	record := Fold(d.events)
	markdown := Markdown(record)
	for _, bad := range []string{"\x1b", "\x07", "\u202e", "\u200b", "\r"} {
		if bytes.Contains(markdown, []byte(bad)) {
			t.Errorf("the markdown holds %q", bad)
		}
	}
	html, err := HTML(record)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "javascript:alert(1)\"", "href=\"javascript", "src=\"http", "\x1b", "<em>it</em>", "<strong>bold</strong>"} {
		if bytes.Contains(html, []byte(bad)) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, shown := range []string{"alert(1)", "gnp.exe", "⟨U+001B⟩"} {
		if !bytes.Contains(html, []byte(shown)) {
			t.Errorf("the page dropped %q", shown)
		}
	}
}

// write makes a log with a few events and returns its folder and the file's bytes.
func write(t *testing.T, n int) (dir string, data []byte) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "day")
	l, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := l.Add(NoteAdded, Said{Run: i, Text: "note"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(filepath.Join(dir, LogName))
	if err != nil {
		t.Fatal(err)
	}
	return dir, data
}

func TestLogCutAtEveryByteIsReadUpToThere(t *testing.T) {
	dir, data := write(t, 4)
	for n := range len(data) {
		if err := os.WriteFile(filepath.Join(dir, LogName), data[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		events, torn, err := Read(dir)
		whole := bytes.Count(data[:n], []byte("\n"))
		if err != nil || len(events) != whole || (torn == 0) != (n == 0 || data[n-1] == '\n') {
			t.Fatalf("cut at %d: %d events, %d torn, %v", n, len(events), torn, err)
		}
		l, record, cut, err := Append(dir)
		if err != nil || cut != torn || len(record.Notes) != whole {
			t.Fatalf("going on after a cut at %d: %d notes, %d cut, %v", n, len(record.Notes), cut, err)
		}
		if _, err := l.Add(NoteAdded, Said{Text: "more"}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if events, torn, err := Read(dir); err != nil || torn != 0 || len(events) != whole+1 {
			t.Fatalf("after going on at %d: %d events, %d torn, %v", n, len(events), torn, err)
		}
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	dir, data := write(t, 3)
	for i := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			if err := os.WriteFile(filepath.Join(dir, LogName), bad, 0o644); err != nil {
				t.Fatal(err)
			}
			events, torn, err := Read(dir)
			var damage *Damage
			switch {
			case errors.As(err, &damage):
				if want := bytes.Count(data[:i], []byte("\n")) + 1; damage.Line != want {
					t.Fatalf("byte %d bit %d: damage in line %d, is in %d", i, bit, damage.Line, want)
				}
			case i == len(data)-1 && torn > 0: // the last line end is gone: a torn line
			default:
				t.Fatalf("byte %d bit %d: %d events, %d torn, %v", i, bit, len(events), torn, err)
			}
		}
	}
}

func TestALineThatIsMissingOrMovedIsFound(t *testing.T) {
	dir, data := write(t, 4)
	lines := bytes.SplitAfter(data, []byte("\n"))
	for name, order := range map[string][]int{"missing": {0, 2, 3}, "moved": {0, 2, 1, 3}, "twice": {0, 1, 1, 2}, "the first missing": {1, 2, 3}} {
		var bad []byte
		for _, i := range order {
			bad = append(bad, lines[i]...)
		}
		if err := os.WriteFile(filepath.Join(dir, LogName), bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Read(dir); !errors.As(err, new(*Damage)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLogHasOneHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "day")
	l, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Append(dir); !errors.Is(err, ErrHeld) {
		t.Errorf("a second holder: %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				if _, err := l.AddSoon(NoteAdded, Said{Text: "x"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if events, torn, err := Read(dir); err != nil || torn != 0 || len(events) != 200 {
		t.Errorf("%d events, %d torn, %v", len(events), torn, err)
	}
	if _, err := Create(dir); err == nil || !strings.Contains(err.Error(), "holds a game day already") {
		t.Errorf("made again: %v", err)
	}
}

func TestAFullDiskIsSaidOnceAndNothingAcknowledgedIsLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "day")
	l, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(NoteAdded, Said{Text: "kept"}); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	l.mu.Lock()
	l.file, full = full, l.file
	l.mu.Unlock()
	for range 2 {
		if _, err := l.Add(NoteAdded, Said{Text: "lost"}); err == nil || !strings.Contains(err.Error(), "free some space") {
			t.Errorf("writing to a full disk: %v", err)
		}
	}
	_ = l.Close()
	_ = full.Close()
	if events, torn, err := Read(dir); err != nil || torn != 0 || len(events) != 1 {
		t.Errorf("%d events, %d torn, %v", len(events), torn, err)
	}
}

// What is read by hand is what the JSON decoder reads.
func FuzzQuickSamples(f *testing.F) {
	f.Add([]byte(`{"run":1,"probes":[{"p":0,"t":12,"v":1.5,"ok":true},{"p":1,"t":-3,"v":2e3,"ok":false}]}`))
	f.Add([]byte(`{"run":1,"probes":[]}`))
	f.Add([]byte(`{"run":01,"probes":[{"p":0,"t":0,"v":.5,"ok":true}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		quick, ok := quickSamples(body)
		var slow Samples
		err := json.Unmarshal(body, &slow)
		if ok && err == nil && !reflect.DeepEqual(quick, slow) {
			t.Errorf("%s: %+v, want %+v", body, quick, slow)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"seq":1,"at":"2026-03-01T09:00:00Z","off":1,"kind":"note","body":{},"hash":"00000000000000000000000000000000"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, LogName), data, 0o644); err != nil {
			t.Fatal(err)
		}
		events, _, _ := Read(dir)
		Markdown(Fold(events))
	})
}

// FuzzFold feeds bodies that no session would write.
func FuzzFold(f *testing.F) {
	for kind := range folds {
		f.Add(string(kind), []byte(`{"run":1}`))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if !json.Valid(body) {
			return
		}
		r := Fold([]Event{{Kind: RunStarted, Body: []byte(`{"run":1,"probes":[{"name":"p"}]}`)}, {Kind: Kind(kind), Body: body}})
		Markdown(r)
		_, _ = Summarize(r).JSON()
	})
}

func TestALongRunIsThinnedToWhatTells(t *testing.T) {
	r := &Record{}
	r.Apply(Event{Kind: RunStarted, Body: []byte(`{"run":1,"probes":[{"name":"a"}]}`)})
	run := r.Run(1)
	const n = 200_000
	const spike, dip = 1234, 77_777
	for i := range n {
		one := Sample{Off: time.Duration(i) * 250 * time.Millisecond, Value: 1, Held: true}
		switch i {
		case spike:
			one.Value = 50
		case dip:
			one.Value, one.Held = 1.5, false
		}
		foldSamples(run, Event{}, Samples{Run: 1, Probes: []Sample{one}})
	}
	s := run.Series[0]
	if len(s.Samples) > 2*manySamples || s.Thinned+len(s.Samples) != n {
		t.Errorf("%d samples are kept and %d thinned of %d", len(s.Samples), s.Thinned, n)
	}
	var high float64
	out := 0
	for i, one := range s.Samples {
		high = max(high, one.Value)
		if !one.Held {
			out++
		}
		if i > 0 && one.Off <= s.Samples[i-1].Off {
			t.Fatalf("sample %d is not in order", i)
		}
	}
	if high != 50 || out != 1 {
		t.Errorf("the highest is %v and %d are out of tolerance", high, out)
	}
	whole := sort.Search(len(s.Samples), func(i int) bool { return s.Samples[i].Off > s.Samples[len(s.Samples)-1].Off-keptWhole })
	if kept := len(s.Samples) - whole; kept != int(keptWhole/(250*time.Millisecond)) {
		t.Errorf("%d of the newest samples are kept", kept)
	}
}
