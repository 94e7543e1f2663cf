package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gameday/engine/platform"
)

// presses are what takes resources at the moment. It is the supervisor itself that does: a unit's processes are kept from
// running for a share of the time; memory and disk are the machine's, which all units share.
type presses struct {
	mu  sync.Mutex
	all map[string]*press // by lease and unit
}

type press struct {
	stop context.CancelFunc
	done chan struct{}
	said atomic.Pointer[string]
}

func (p *press) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.said.Store(&text)
}

// canPress reports why a kind of pressure cannot be here.
func canPress(p platform.Pressure) error {
	if p.Kind == "disk" {
		return errors.New("the local platform fills no disk: its units have no volumes of their own; rehearse it on compose")
	}
	return nil
}

// press starts a pressure on a unit; it ends by mend, or by itself.
func (s *supervisor) press(u *unit, in platform.Pressure) error {
	if err := canPress(in); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), in.Lasts+selfEnd)
	p := &press{stop: stop, done: make(chan struct{})}
	var work func(context.Context, *press)
	switch in.Kind {
	case "cpu":
		work = func(ctx context.Context, p *press) { u.throttle(ctx, p, in.Percent) }
	case "memory":
		if err := spare(in.Size); err != nil {
			stop()
			return err
		}
		work = func(ctx context.Context, p *press) { holdMemory(ctx, p, in.Size) }
	case "io":
		path := filepath.Join(s.paths.dir, "pressure-"+in.Lease)
		work = func(ctx context.Context, p *press) { writeAll(ctx, p, path, in.Rate) }
	default:
		stop()
		return fmt.Errorf("there is no pressure %q", in.Kind)
	}
	s.presses.mu.Lock()
	defer s.presses.mu.Unlock()
	key := in.Lease + "/" + u.name
	if s.presses.all == nil {
		s.presses.all = map[string]*press{}
	}
	if s.presses.all[key] != nil {
		stop()
		return nil
	}
	s.presses.all[key] = p
	go func() {
		defer close(p.done)
		defer stop()
		work(ctx, p)
	}()
	return nil
}

func (p *presses) mend(lease, unit string) {
	p.mu.Lock()
	mine := p.all[lease+"/"+unit]
	delete(p.all, lease+"/"+unit)
	p.mu.Unlock()
	if mine != nil {
		mine.stop()
		<-mine.done
	}
}

func (p *presses) look(lease, unit string) (string, error) {
	p.mu.Lock()
	mine := p.all[lease+"/"+unit]
	p.mu.Unlock()
	if mine == nil {
		return "", errors.New("nothing presses on " + unit)
	}
	if said := mine.said.Load(); said != nil {
		return *said, nil
	}
	return "", errors.New("it has only begun")
}

// turnSpan is the time in which a throttled unit stands still once and runs once.
const turnSpan = 50 * time.Millisecond

// throttle keeps a unit's processes from running for a share of the time.
func (u *unit) throttle(ctx context.Context, p *press, percent float64) {
	still := time.Duration(percent / 100 * float64(turnSpan))
	for turns := 0; ctx.Err() == nil; turns++ {
		running := u.nudge(syscall.SIGSTOP)
		time.Sleep(still)
		u.nudge(syscall.SIGCONT)
		if running && turns > 3 {
			p.say("%s stands still for %.0f%% of the time", u.name, percent)
		}
		select {
		case <-ctx.Done():
		case <-time.After(turnSpan - still):
		}
	}
	u.nudge(syscall.SIGCONT)
}

// nudge signals a unit's processes, unless the unit is down or was paused by somebody else, which it reports.
func (u *unit) nudge(s syscall.Signal) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cmd == nil || u.view.State == platform.Paused {
		return false
	}
	signalAll(family(u.cmd.Process.Pid), s)
	return true
}

// spare refuses to take more memory than half of what is free: the machine has to go on.
func spare(size int64) error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	if free := int64(info.Freeram) * int64(info.Unit); size > free/2 {
		return fmt.Errorf("%d bytes are more than half of the memory that is free (%d)", size, free)
	}
	return nil
}

func holdMemory(ctx context.Context, p *press, size int64) {
	held, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		p.say("no memory could be taken: %v", err)
		return
	}
	p.say("%d bytes of the machine's memory are held", size)
	<-ctx.Done()
	_ = unix.Munmap(held)
}

// writeAll writes so many bytes a second to a file, durably, over and over.
func writeAll(ctx context.Context, p *press, path string, rate int64) {
	const largest = 64 << 20
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|unix.O_DSYNC, 0o600)
	if err != nil {
		p.say("nothing can be written: %v", err)
		return
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(path)) }()
	piece := make([]byte, max(rate/10, 1))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var at, written int64
	for begun := time.Now(); ctx.Err() == nil; {
		n, err := f.WriteAt(piece, at)
		if err != nil {
			p.say("nothing can be written: %v", err)
			return
		}
		written += int64(n)
		if at += int64(n); at > largest {
			at = 0
		}
		p.say("%d bytes a second are written to the machine's disk", int64(float64(written)/max(time.Since(begun).Seconds(), 0.1)))
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
