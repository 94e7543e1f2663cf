package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"gameday/engine/platform"
	"gameday/engine/platform/link"
)

// path is the connection from one unit to another: it always passes through a proxy of the supervisor's, which does
// nothing to it until a fault says so.
type path struct {
	from, to string // units
	service  string // that the far end counts as
	port     int    // of the far end, as the compose file has it
	addr     string // of the far end, here
	listener net.Listener
	proxy    *link.Proxy
}

// paths are all of a stack's, and what is done to them.
type pathSet struct {
	all []*path

	mu       sync.Mutex
	impaired map[string]*impaired // by lease and unit
}

type impaired struct {
	paths  []*path
	toxics link.Toxics
	until  *time.Timer
}

// lay makes a path from a unit to every replica of the services that are stores.
func (s *supervisor) lay(unit string) (dialThrough string, err error) {
	var pairs []string
	for _, svc := range s.stack.services {
		if !isStore(svc) {
			continue
		}
		for _, r := range svc.replicas {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				return "", fmt.Errorf("a path from %s to %s cannot be laid: %w", unit, r.unit, err)
			}
			p := &path{from: unit, to: r.unit, service: svc.counts, port: svc.port, addr: r.addr, listener: l}
			p.proxy = &link.Proxy{Dial: func(ctx context.Context, _ net.Conn) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp4", p.addr)
			}}
			go func() { _ = p.proxy.Serve(l) }()
			s.links.all = append(s.links.all, p)
			pairs = append(pairs, r.addr+"="+l.Addr().String())
		}
	}
	return strings.Join(pairs, ","), nil
}

// isStore reports whether a service is one that others keep connections to.
func isStore(svc service) bool {
	return len(svc.command) > 0 && (svc.command[0] == "postgres" || svc.command[0] == "dragonfly" || svc.counts == "sentinel")
}

func (l *pathSet) close() {
	for _, p := range l.all {
		_ = p.listener.Close()
		p.proxy.Close()
	}
}

// affected are the paths that an impairment of a unit is about: those that it has to the far end; without one, all that it
// has and all that lead to it; with a port of its own, those that lead to that.
func (l *pathSet) affected(unit string, i platform.Impairment) ([]*path, error) {
	var some []*path
	for _, p := range l.all {
		to := p.to == unit && i.To == nil && (i.Port == 0 || i.Port == p.port)
		from := p.from == unit && i.Port == 0 && (i.To == nil || (i.To.Service == p.service || i.To.Service == p.to) && (i.To.Port == 0 || i.To.Port == p.port))
		if to || from {
			some = append(some, p)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("%s has no such link", unit)
	}
	return some, fits(i)
}

// fits reports why a kind of impairment cannot be here.
func fits(i platform.Impairment) error {
	switch i.Kind {
	case "loss":
		return errors.New("the local platform cannot lose packets: its links are streams; rehearse it on compose")
	case "dns":
		return errors.New("on the local platform no unit resolves names; rehearse it on compose")
	default:
		return nil
	}
}

func toxics(i platform.Impairment) link.Toxics {
	switch i.Kind {
	case "reset":
		return link.Toxics{Reset: true}
	case "partition":
		return link.Toxics{DropOut: i.Direction != "in", DropIn: i.Direction != "out"}
	case "blackhole":
		return link.Toxics{DropOut: true, DropIn: true}
	default:
		return link.Slower(i)
	}
}

// selfEnd is how long after its time a fault ends by itself, should everybody else be gone.
const selfEnd = 5 * time.Second

func (l *pathSet) impair(unit string, i platform.Impairment) error {
	some, err := l.affected(unit, i)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := i.Lease + "/" + unit
	if l.impaired == nil {
		l.impaired = map[string]*impaired{}
	}
	l.impaired[key] = &impaired{some, toxics(i), time.AfterFunc(i.Lasts+selfEnd, func() { l.mend(i.Lease, unit) })}
	for _, p := range some {
		p.proxy.Set(toxics(i))
	}
	return nil
}

// mend lifts what a lease did to a unit's paths. Where another lease is on the same path, its toxics stay.
func (l *pathSet) mend(lease, unit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := l.impaired[lease+"/"+unit]
	if mine == nil {
		return
	}
	mine.until.Stop()
	delete(l.impaired, lease+"/"+unit)
	for _, p := range mine.paths {
		var left link.Toxics
		for _, other := range l.impaired {
			for _, q := range other.paths {
				if q == p {
					left = other.toxics
				}
			}
		}
		p.proxy.Set(left)
	}
}

const (
	lookLimit = 400 * time.Millisecond // an answer later than this is none
	trialSize = 16 << 10
)

// look shows on a path itself that a fault is in effect.
func (l *pathSet) look(ctx context.Context, unit string, i platform.Impairment) (string, error) {
	l.mu.Lock()
	mine := l.impaired[i.Lease+"/"+unit]
	l.mu.Unlock()
	if mine == nil {
		return "", errors.New("nothing is done to the links of " + unit)
	}
	p := mine.paths[0]
	passed := int64(0)
	for _, one := range mine.paths {
		passed += one.proxy.Passed()
	}
	took, err := p.ask(ctx)
	switch i.Kind {
	case "latency":
		if err != nil || took < i.Latency/2 {
			return "", fmt.Errorf("%s answers %s after %s (%v)", p.to, p.from, took, err)
		}
		return fmt.Sprintf("%s answers %s after %s", p.to, p.from, took.Round(100*time.Microsecond)), nil
	case "bandwidth":
		took, err := link.Trial(ctx, mine.toxics, trialSize)
		return fmt.Sprintf("%d bytes take %s there and back under what is on the path; %d connections have passed it", trialSize, took.Round(time.Millisecond), passed), err
	case "slow_close":
		return fmt.Sprintf("a connection is still open %s after it was closed", lookLimit), link.Lingers(ctx, mine.toxics, lookLimit)
	default:
		if err == nil {
			return "", fmt.Errorf("%s answers %s as before", p.to, p.from)
		}
		return fmt.Sprintf("%s does not answer %s: %v", p.to, p.from, err), nil
	}
}

// ask sends the shortest question that the far end answers, through the path: PostgreSQL whether it speaks TLS (the
// SSLRequest of its protocol), anybody else PING.
func (p *path) ask(ctx context.Context) (time.Duration, error) {
	limit := lookLimit + p.proxy.Delay()
	conn, err := (&net.Dialer{Timeout: limit}).DialContext(ctx, "tcp4", p.listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(limit))
	question := []byte("PING\r\n")
	if p.service == "postgres" {
		question = []byte{0, 0, 0, 8, 4, 210, 22, 47}
	}
	begun := time.Now()
	if _, err := conn.Write(question); err != nil {
		return 0, err
	}
	_, err = conn.Read(make([]byte, 1))
	return time.Since(begun), err
}
