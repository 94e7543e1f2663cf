package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gameday/journal"
)

const (
	durable = 300
	many    = 200_000
	long    = 1_000_000
)

// benchJournal measures the log: a safety record durable, beside a bare write and fsync of as many bytes on the same
// disk; events appended with group commit; a long log opened and folded.
func benchJournal(context.Context) ([]Figure, error) {
	dir, err := os.MkdirTemp(".", ".bench-journal")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bare, err := os.OpenFile(filepath.Join(dir, "bare"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bare.Close() }()
	log, err := journal.Create(filepath.Join(dir, "day"))
	if err != nil {
		return nil, err
	}
	record := []byte(strings.Repeat("x", 199) + "\n")
	var ours, theirs []time.Duration
	for range durable {
		begun := time.Now()
		if _, err := log.Add(journal.FaultArmed, journal.FaultBody{Run: 1, ID: "bench-1-1", Fault: "kill", Units: []string{"worker-1"}}); err != nil {
			return nil, err
		}
		ours = append(ours, time.Since(begun))
		begun = time.Now()
		if _, err := bare.Write(record); err != nil {
			return nil, err
		}
		if err := bare.Sync(); err != nil {
			return nil, err
		}
		theirs = append(theirs, time.Since(begun))
	}
	begun := time.Now()
	for i := range many {
		if _, err := log.AddSoon(journal.SamplesTaken, journal.Samples{Run: 1, Probes: []journal.Sample{{Probe: i % 3, Off: time.Duration(i), Value: 1, Held: true}}}); err != nil {
			return nil, err
		}
	}
	if err := log.Close(); err != nil {
		return nil, err
	}
	rate := many / time.Since(begun).Seconds()
	opened, err := benchOpen(filepath.Join(dir, "long"))
	return []Figure{
		{Name: "safety record durable, p50", Value: ms(quantile(ours, .5)), Unit: "ms", Peer: "bare 200-byte write+fsync", PeerValue: ms(quantile(theirs, .5))},
		{Name: "safety record durable, p99", Value: ms(quantile(ours, .99)), Unit: "ms", Peer: "bare 200-byte write+fsync", PeerValue: ms(quantile(theirs, .99))},
		{Name: "events appended", Value: rate, Unit: "events/s", Peer: "limit", PeerValue: 100_000},
		{Name: fmt.Sprintf("open and fold %d events", long), Value: opened.Seconds(), Unit: "s", Peer: "limit", PeerValue: 2},
	}, err
}

func benchOpen(dir string) (time.Duration, error) {
	log, err := journal.Create(dir)
	if err != nil {
		return 0, err
	}
	if _, err := log.Add(journal.RunStarted, journal.RunBody{Run: 1, Probes: []journal.ProbeDef{{Name: "a"}, {Name: "b"}, {Name: "c"}}}); err != nil {
		return 0, err
	}
	for i := range long - 1 {
		if _, err := log.AddSoon(journal.SamplesTaken, journal.Samples{Run: 1, Probes: []journal.Sample{{Probe: i % 3, Off: time.Duration(i), Value: 1, Held: true}}}); err != nil {
			return 0, err
		}
	}
	if err := log.Close(); err != nil {
		return 0, err
	}
	begun := time.Now()
	events, _, err := journal.Read(dir)
	if err != nil {
		return 0, err
	}
	journal.Fold(events)
	return time.Since(begun), nil
}
