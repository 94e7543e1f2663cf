package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const (
	lookLimit = 400 * time.Millisecond // an answer later than this is none
	lookTries = 40
)

// look shows by trying that the fault is in effect.
func (p *path) look() (string, error) {
	switch p.Kind {
	case "latency":
		took, err := p.echo(1)
		if err != nil {
			return "", err
		}
		if took < p.quiet+p.Toxics.Latency/2 {
			return "", fmt.Errorf("a round trip takes %s, as before", short(took))
		}
		return fmt.Sprintf("a round trip through the path takes %s, %s before; %d connections pass through it", short(took), short(p.quiet), p.proxy.Passed()), nil
	case "bandwidth":
		n := int(p.Toxics.Rate / 4)
		took, err := p.echo(max(n, 1))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d bytes take %s there and back; %d connections pass through it", n, short(took), p.proxy.Passed()), nil
	case "slow_close":
		return p.lookAtClosing()
	case "dns":
		return p.lookUp()
	case "loss":
		return p.lookAtLoss()
	default:
		return p.lookAtSilence()
	}
}

func (p *path) lookAtClosing() (string, error) {
	conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", p.port), time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.(*net.TCPConn).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(lookLimit))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return "", errors.New("a connection closes at once, as before")
	}
	return fmt.Sprintf("a connection is still open %s after it was closed; %d connections pass through the path", lookLimit, p.proxy.Passed()), nil
}

// lookAtSilence tries to connect, as any program in this namespace would.
func (p *path) lookAtSilence() (string, error) {
	if len(p.Look) == 0 {
		return p.counted()
	}
	at := p.Look[0]
	err := try(at)
	switch {
	case err == nil:
		return "", fmt.Errorf("%s answers as before", at)
	case p.Kind == "reset" && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)):
		return fmt.Sprintf("a connection to %s is reset", at), nil
	case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
		return fmt.Sprintf("a connection to %s is not answered within %s", at, lookLimit), nil
	default:
		return "", fmt.Errorf("a connection to %s fails in another way: %w", at, err)
	}
}

func (p *path) lookAtLoss() (string, error) {
	for range lookTries {
		dropped, seen, err := p.rules.count()
		if err != nil {
			return "", err
		}
		if dropped > 0 {
			return fmt.Sprintf("%d of %d packets were lost so far", dropped, seen), nil
		}
		for _, at := range p.Look {
			go func() { _ = try(at) }()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", errors.New("no packet was lost yet")
}

func (p *path) counted() (string, error) {
	dropped, _, err := p.rules.count()
	if err == nil && dropped == 0 {
		err = errors.New("no packet was stopped yet")
	}
	return fmt.Sprintf("%d packets were stopped so far", dropped), err
}

func try(at netip.AddrPort) error {
	conn, err := net.DialTimeout("tcp4", at.String(), lookLimit)
	if err != nil {
		return err
	}
	return conn.Close()
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
