package journal

import (
	"path/filepath"
	"testing"
	"time"
)

func BenchmarkReadAndFold(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "day")
	log, err := Create(dir)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := log.Add(RunStarted, RunBody{Run: 1, Probes: []ProbeDef{{Name: "a"}, {Name: "b"}, {Name: "c"}}}); err != nil {
		b.Fatal(err)
	}
	const n = 100_000
	for i := range n {
		if _, err := log.AddSoon(SamplesTaken, Samples{Run: 1, Probes: []Sample{{Probe: i % 3, Off: time.Duration(i), Value: 1, Held: true}}}); err != nil {
			b.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ReadRecord(dir); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}
