package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"gameday/engine/platform/link"
)

// path is a network fault in this namespace.
type path struct {
	link.Config
	rules *rules
	proxy *link.Proxy
	port  uint16 // that the proxy, or the name server, listens on
	quiet time.Duration
}

// linkVerb waits for the word, takes effect, and puts everything back when its input or its time ends.
func linkVerb(ctx context.Context, args []string) (err error) {
	if len(args) != 1 {
		return errors.New("link takes one argument")
	}
	p := &path{}
	if err := json.Unmarshal([]byte(args[0]), &p.Config); err != nil {
		return fmt.Errorf("its orders cannot be read: %w", err)
	}
	if p.rules, err = newRules(p.Lease); err != nil {
		return err
	}
	if err := p.listen(); err != nil {
		return err
	}
	say(link.Report{Evidence: "ready"})
	words := make(chan string)
	go func() {
		defer close(words)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			words <- lines.Text()
		}
	}()
	defer func() { err = errors.Join(err, p.rules.remove()) }() // who ends with 0 has left nothing
	over := time.NewTimer(time.Hour)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-over.C:
			return nil
		case word, open := <-words:
			switch {
			case !open:
				return nil
			case word == link.Go:
				over.Reset(p.Lasts)
				report(p.takeEffect())
			case word == link.Look:
				report(p.look())
			}
		}
	}
}

func say(r link.Report) { _ = json.NewEncoder(os.Stdout).Encode(r) }

func report(evidence string, err error) {
	if err != nil {
		say(link.Report{Error: err.Error()})
		return
	}
	say(link.Report{Evidence: evidence})
}

// proxied reports whether the fault is one of those that a proxy makes; the others are made of rules alone.
func (p *path) proxied() bool { return p.Toxics != (link.Toxics{}) || p.Kind == link.Pass }

// listen opens what takes the path, before it is taken.
func (p *path) listen() error {
	switch {
	case p.proxied():
		l, err := net.Listen("tcp4", ":0")
		if err != nil {
			return err
		}
		p.port = uint16(l.Addr().(*net.TCPAddr).Port)
		p.proxy = &link.Proxy{Dial: p.onward}
		go func() { _ = p.proxy.Serve(l) }()
		p.quiet, err = p.echo(1)
		return err
	case p.Kind == "dns":
		return p.serveNames()
	}
	return nil
}

func (p *path) takeEffect() (string, error) {
	if p.proxied() {
		p.proxy.Set(p.Toxics)
	}
	if err := p.rules.apply(p); err != nil {
		return "", fmt.Errorf("the kernel refuses the rules: %w", err)
	}
	return "the rules are in place", nil
}

// onward opens the far side of a connection that was redirected here: where it was meant to go, past the rules. One that
// came here directly, from inside, is answered by its own echo.
func (p *path) onward(ctx context.Context, accepted net.Conn) (net.Conn, error) {
	to, err := originalDestination(accepted.(*net.TCPConn))
	if err != nil || to.Port() == p.port {
		if host, _, _ := net.SplitHostPort(accepted.RemoteAddr().String()); host != "127.0.0.1" {
			return nil, errors.New("nobody connects here by himself")
		}
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(far, far) }()
		return near, nil
	}
	return (&net.Dialer{Control: marked}).DialContext(ctx, "tcp4", to.String())
}

// echo measures how long n bytes take there and back through the proxy.
func (p *path) echo(n int) (time.Duration, error) {
	conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", p.port), time.Second)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	begun := time.Now()
	go func() { _, _ = conn.Write(make([]byte, n)) }()
	_, err = io.ReadFull(conn, make([]byte, n))
	return time.Since(begun), err
}
