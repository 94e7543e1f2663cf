package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
	if err != nil {
		return nil, err
	}
	early, late, err := benchMemory(filepath.Join(dir, "eight-hours"))
	return []Figure{
		{Name: "safety record durable, p50", Value: ms(quantile(ours, .5)), Unit: "ms", Peer: "bare 200-byte write+fsync", PeerValue: ms(quantile(theirs, .5))},
		{Name: "safety record durable, p99", Value: ms(quantile(ours, .99)), Unit: "ms", Peer: "bare 200-byte write+fsync", PeerValue: ms(quantile(theirs, .99))},
		{Name: "events appended", Value: rate, Unit: "events/s", Peer: "limit", PeerValue: 100_000},
		{Name: fmt.Sprintf("open and fold %d events", long), Value: opened.Seconds(), Unit: "s", Peer: "limit", PeerValue: 2},
		{Name: "memory after 8 hours of events", Value: late, Unit: "MiB", Peer: "after 2 hours", PeerValue: early},
	}, err
}

// benchMemory writes and folds what eight hours with ten probes give, as a session does, and says how much memory lives
// after two hours and after all.
func benchMemory(dir string) (early, late float64, err error) {
	const probes, hour = 10, 3600 * 4 // samples of one probe
	log, err := journal.Create(dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	record := &journal.Record{}
	run := journal.RunBody{Run: 1}
	for i := range probes {
		run.Probes = append(run.Probes, journal.ProbeDef{Name: fmt.Sprint(i)})
	}
	e, err := log.Add(journal.RunStarted, run)
	if err != nil {
		return 0, 0, err
	}
	record.Apply(e)
	for i := range 8 * hour {
		body := journal.Samples{Run: 1}
		for p := range probes {
			body.Probes = append(body.Probes, journal.Sample{Probe: p, Off: time.Duration(i) * 250 * time.Millisecond, Value: float64(i%7) / 3, Held: true})
		}
		if e, err = log.AddSoon(journal.SamplesTaken, body); err != nil {
			return 0, 0, err
		}
		record.Apply(e)
		if i == 2*hour {
			early = live()
		}
	}
	late = live()
	runtime.KeepAlive(record)
	return early, late, nil
}

// live is the memory that is in use after all garbage is gone, in MiB.
func live() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
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
	_, _, err = journal.ReadRecord(dir)
	return time.Since(begun), err
}
