// Package link passes TCP connections on, and impairs them on the way: a delay, a narrow pipe, silence, a reset. What is
// done to the bytes are Toxiproxy's toxics.
package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const dialLimit = 10 * time.Second

// Proxy passes connections on to where Dial leads. Its toxics may be changed at any time; connections that are open then
// are cut, so that every connection is under the toxics that are in force.
type Proxy struct {
	// Dial opens the far side of a connection that was accepted.
	Dial func(ctx context.Context, accepted net.Conn) (net.Conn, error)

	passed atomic.Int64

	mu     sync.Mutex
	toxics Toxics
	open   map[net.Conn]bool // true: its client's side
	closed bool
}

// Serve passes on what a listener accepts, until that is closed.
func (p *Proxy) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors, most likely
			continue
		}
		go p.pass(conn)
	}
}

// Set changes the toxics and cuts what is open.
func (p *Proxy) Set(t Toxics) {
	p.mu.Lock()
	p.toxics = t
	p.mu.Unlock()
	p.cut()
}

// Delay is what the toxics in force may add to a round trip.
func (p *Proxy) Delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.toxics.Latency + p.toxics.Jitter
}

// Passed counts the connections that were passed on so far.
func (p *Proxy) Passed() int64 { return p.passed.Load() }

// Close cuts what is open, and passes nothing on any more.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, clients := range []bool{true, false} { // clients first: an end of the far side would reach them before the reset
		for conn, client := range p.open {
			if client == clients {
				reset(conn)
			}
		}
	}
	clear(p.open)
}

// reset ends a connection so that the other end sees a reset, not an end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// keep remembers an open connection, under the toxics that it gives.
func (p *Proxy) keep(conn net.Conn, client bool) (Toxics, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Toxics{}, false
	}
	if p.open == nil {
		p.open = map[net.Conn]bool{}
	}
	p.open[conn] = client
	return p.toxics, true
}

func (p *Proxy) forget(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

func (p *Proxy) pass(client net.Conn) {
	toxics, ok := p.keep(client, true)
	defer p.forget(client)
	if !ok || toxics.Reset {
		reset(client)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	server, err := p.Dial(ctx, client)
	cancel()
	if err != nil {
		reset(client)
		return
	}
	if toxics, ok = p.keep(server, false); !ok {
		reset(client)
		reset(server)
		return
	}
	defer p.forget(server)
	p.passed.Add(1)
	Join(client, server, toxics)
}

// Join passes the bytes of two connections on to each other until both directions have ended, and closes them.
func Join(client, server net.Conn, t Toxics) {
	out, in := t.chains()
	var both sync.WaitGroup
	both.Go(func() {
		flow(server, client, out)
		end(server)
	})
	both.Go(func() {
		flow(client, server, in)
		end(client)
	})
	both.Wait()
	_ = client.Close()
	_ = server.Close()
}

// end says to the other end of a connection that nothing more comes.
func end(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = conn.Close()
}
