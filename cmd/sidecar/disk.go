package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gameday/engine/platform/link"
)

// ioVerb writes RATE bytes a second to its own disk, durably, until it is told to end: io RATE SECONDS.
func ioVerb(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("io takes a rate and a time")
	}
	rate, err1 := strconv.ParseInt(args[0], 10, 64)
	seconds, err2 := strconv.ParseFloat(args[1], 64)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
	defer cancel()
	const span, largest = 100 * time.Millisecond, 64 << 20
	f, err := os.OpenFile("/written", os.O_CREATE|os.O_WRONLY|unix.O_DSYNC, 0o600)
	if err != nil {
		return err
	}
	piece := make([]byte, max(rate/10, 1))
	tick := time.NewTicker(span)
	defer tick.Stop()
	var at, written int64
	for begun := time.Now(); ; {
		n, err := f.WriteAt(piece, at)
		if err != nil {
			return err
		}
		written += int64(n)
		if at += int64(n); at > largest {
			at = 0
		}
		if written == int64(n) || time.Since(begun) > time.Second {
			say(link.Report{Evidence: fmt.Sprintf("%d bytes a second are written", int64(float64(written)/max(time.Since(begun).Seconds(), 0.1)))})
			begun, written = time.Now(), 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const fillPrefix = ".gameday-fill-"

// fillVerb fills the filesystem of a folder with one file until FLOOR bytes are free, and keeps it there: when others write,
// its file shrinks. When it ends, its file goes: fill FOLDER LEASE FLOOR SECONDS.
func fillVerb(ctx context.Context, args []string) (err error) {
	if len(args) != 4 {
		return errors.New("fill takes a folder, a lease, a floor and a time")
	}
	leave, err1 := strconv.ParseInt(args[2], 10, 64)
	seconds, err2 := strconv.ParseFloat(args[3], 64)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
	defer cancel()
	path := filepath.Join(args[0], fillPrefix+args[1])
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(path)) }() // who ends with 0 has left nothing
	free, total, err := space(args[0])
	if err != nil {
		return err
	}
	floor := max(leave, total/20) // a twentieth is never taken
	var size int64
	const piece = 16 << 20
	for before := free; ctx.Err() == nil; {
		if free, _, err = space(args[0]); err != nil {
			return err
		}
		switch over := free - floor; {
		case over > 0 && size < total:
			more := min(over, piece)
			if err := unix.Fallocate(int(f.Fd()), 0, size, more); err != nil && !errors.Is(err, unix.ENOSPC) {
				return fmt.Errorf("this filesystem reserves no space: %w", err)
			} else if err == nil {
				size += more
				continue
			}
		case over < 0 && size > 0:
			size = max(0, size+over)
			_ = f.Truncate(size)
		}
		say(link.Report{Evidence: fmt.Sprintf("%d bytes are free, %d before; the floor is %d", free, before, floor)})
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// unfillVerb takes a lease's file away, whoever made it: unfill FOLDER LEASE.
func unfillVerb(_ context.Context, args []string) error {
	if len(args) != 2 || strings.ContainsRune(args[1], '/') {
		return errors.New("unfill takes a folder and a lease")
	}
	err := os.Remove(filepath.Join(args[0], fillPrefix+args[1]))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// space gives the bytes that are free, and all, of the filesystem of a folder.
func space(folder string) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * s.Bsize, int64(s.Blocks) * s.Bsize, nil
}
