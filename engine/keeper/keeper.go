package keeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"gameday/engine/crash"
	"gameday/engine/flock"
	"gameday/engine/platform"
	"gameday/journal"
)

// The heartbeat between console and keeper. A console that is silent for silence has lost its leases; with the time that
// reverting takes, everything is back well within three seconds.
const (
	beatEvery = 250 * time.Millisecond
	silence   = 1500 * time.Millisecond
	lateBy    = 1500 * time.Millisecond // how long after a deadline the keeper waits for the console to keep it
	connectBy = 10 * time.Second
	patience  = 10 * time.Minute // how long an undo that fails is tried again
	// A killed console stops answering a moment before the kernel lets its journal go.
	heldPatience = 2 * time.Second
	beat         = 'b'
	lapsed       = 'x' // the keeper's answer to a console that was silent for too long
	farewell     = 'q' // the console leaves, everything is put back
	keeperName   = "the keeper"
)

// keeper watches one console.
type keeper struct {
	dir     string
	open    platform.Opener
	session Session
	lapsed  bool

	reverting sync.Mutex // held while something is being put back
}

// Keep is what the detached process does: it watches the console of a session and puts back what that leaves behind.
func Keep(ctx context.Context, dir string, open platform.Opener) error {
	held, err := flock.Take(filepath.Join(dir, keeperLock))
	if err != nil {
		return fmt.Errorf("another keeper has %s: %w", dir, err)
	}
	defer func() { _ = held.Close() }()
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGINT, syscall.SIGTERM)
	k := &keeper{dir: dir, open: open}
	if k.session, err = readSession(dir); err != nil {
		return err
	}
	conn, err := k.meet()
	if err == nil {
		defer func() { _ = conn.Close() }()
		if left := k.watch(ctx, conn); left {
			k.finish()
			return nil
		}
	}
	return k.settle(ctx)
}

// meet waits for the console's call, on a socket that is its owner's only.
func (k *keeper) meet() (net.Conn, error) {
	path := filepath.Join(k.dir, socketFile)
	_ = os.Remove(path)
	before := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	_ = l.(*net.UnixListener).SetDeadline(time.Now().Add(connectBy))
	return l.Accept()
}

// watch returns when the console is gone; left says that it took its leave and nothing is left behind.
func (k *keeper) watch(ctx context.Context, conn net.Conn) (left bool) {
	beats := make(chan byte)
	go func() {
		defer close(beats)
		reader := bufio.NewReader(conn)
		for {
			b, err := reader.ReadByte()
			if err != nil {
				return
			}
			beats <- b
		}
	}()
	heard := bootTime()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case b, open := <-beats:
			if !open {
				return false
			}
			if b == farewell {
				return true
			}
			heard = bootTime()
			answer := byte(beat)
			if k.lapsed {
				answer = lapsed
			}
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write([]byte{answer})
		case <-tick.C:
			if !k.lapsed && bootTime()-heard > int64(silence) {
				k.lapsed = true
				slog.Warn("the console is silent; putting everything back", "pid", k.session.PID)
				go k.revertOpen(ctx, func(Lease) bool { return true })
				continue
			}
			if k.reverting.TryLock() { // heartbeats are answered meanwhile
				k.reverting.Unlock()
				go k.revertOpen(ctx, func(l Lease) bool { return l.overdue(lateBy) && !l.inHand() })
			}
		}
	}
}

// finish waits until what is being put back at this moment is put back to its end.
func (k *keeper) finish() {
	k.reverting.Lock()
	defer k.reverting.Unlock()
}

// revertOpen puts back those open leases that are due.
func (k *keeper) revertOpen(ctx context.Context, due func(Lease) bool) {
	k.reverting.Lock()
	defer k.reverting.Unlock()
	all, err := leases(k.dir)
	if err != nil {
		slog.Error("the intent log cannot be read", "error", err)
	}
	var now []Lease
	for _, l := range open(all) {
		if due(l) {
			now = append(now, l)
		}
	}
	if len(now) > 0 {
		insist(ctx, k.open, k.dir, now, keeperName, beatEvery)
	}
}

// settle is for when the console is gone for good: everything that it ever touched is put back once more, because a
// console that was suspended may have gone on for a moment when it woke up.
func (k *keeper) settle(ctx context.Context) error {
	k.reverting.Lock()
	defer k.reverting.Unlock()
	all, err := leases(k.dir)
	if err != nil {
		return err
	}
	again := open(all)
	if k.lapsed {
		again = all
	}
	insistTwice(ctx, k.open, k.dir, again, keeperName, patience)
	if err := Report(ctx, k.open, k.dir, fmt.Sprintf("the console vanished (process %d); %s put everything back", k.session.PID, keeperName)); err != nil {
		return fmt.Errorf("the journal could not be told; gameday recover tries again: %w", err)
	}
	all, err = leases(k.dir)
	if err != nil {
		return err
	}
	sweep(ctx, k.open, k.session, all)
	if len(open(all)) > 0 {
		return errors.New("some faults could not be put back; gameday recover tries again")
	}
	return os.RemoveAll(k.dir)
}

// Report writes into the journal of a console that is gone what its leases came to, ends its run and renders the journal
// anew. It adds only what the journal does not say yet, whoever did it: the console may have died between putting back and
// telling. A journal that somebody holds is left as it is, and one that is not there is no error.
func Report(ctx context.Context, opener platform.Opener, dir, why string) error {
	session, err := readSession(dir)
	if err != nil {
		return err
	}
	all, err := leases(dir)
	if err != nil {
		return err
	}
	crash.Point("report: before the journal is told")
	log, record, _, err := journal.Append(session.Journal)
	for begun := time.Now(); errors.Is(err, journal.ErrHeld) && time.Since(begun) < heldPatience; log, record, _, err = journal.Append(session.Journal) {
		time.Sleep(10 * time.Millisecond)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	for _, l := range all {
		if record.SaysReverted(l.ID) {
			continue
		}
		kind := journal.FaultReverted
		if l.State != Gone {
			kind = journal.FaultRevertFailed
		}
		if _, err := log.Add(kind, journal.FaultBody{Run: l.Run, ID: l.ID, Fault: l.Fault, Units: l.Units, By: l.By, Evidence: l.Evidence}); err != nil {
			return err
		}
	}
	crash.Point("report: after the leases were told")
	if units, err := unitsNow(ctx, opener, session.Target); err == nil {
		if _, err := log.Add(journal.UnitsSeen, journal.Units{Units: units}); err != nil {
			return err
		}
	}
	if run := record.Current(); run != nil && run.Ended == nil {
		if run.Verdict == nil {
			if _, err := log.Add(journal.VerdictReached, journal.VerdictBody{Run: run.Run, Verdict: journal.Aborted, Reasons: []string{why}}); err != nil {
				return err
			}
		}
		if _, err := log.Add(journal.RunEnded, journal.Said{Run: run.Run, Text: why}); err != nil {
			return err
		}
	}
	if record.Ended == nil {
		if _, err := log.Add(journal.GamedayClosed, journal.Said{By: keeperName, Text: why}); err != nil {
			return err
		}
	}
	return journal.Export(session.Journal)
}

// unitsNow says how the target stands.
func unitsNow(ctx context.Context, opener platform.Opener, target platform.Target) ([]journal.Unit, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	p, err := opener(ctx, target)
	if err != nil {
		return nil, err
	}
	units, err := p.Units(ctx)
	all := make([]journal.Unit, len(units))
	for i, u := range units {
		all[i] = journal.Unit{Unit: u.Name, Service: u.Service, Instance: u.Instance, Zone: u.Zone, State: string(u.State), ID: u.ID, Exit: u.Exit}
	}
	return all, err
}
