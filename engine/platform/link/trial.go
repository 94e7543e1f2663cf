package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// trialLimit bounds a trial.
const trialLimit = 10 * time.Second

// Trial sends n bytes through a proxy with the toxics to an echo of its own, and gives how long they took there and back.
func Trial(ctx context.Context, t Toxics, n int) (time.Duration, error) {
	conn, end, err := trial(ctx, t)
	if err != nil {
		return 0, err
	}
	defer end()
	begun := time.Now()
	go func() { _, _ = conn.Write(make([]byte, n)) }()
	_, err = io.ReadFull(conn, make([]byte, n))
	return time.Since(begun), err
}

// Lingers shows that a connection through a proxy with the toxics is still open so long after its end was said.
func Lingers(ctx context.Context, t Toxics, wait time.Duration) error {
	conn, end, err := trial(ctx, t)
	if err != nil {
		return err
	}
	defer end()
	_ = conn.(*net.TCPConn).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return errors.New("a connection closes at once, as before")
	}
	return nil
}

func trial(ctx context.Context, t Toxics) (net.Conn, func(), error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("a trial needs a port: %w", err)
	}
	p := &Proxy{Dial: func(context.Context, net.Conn) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			_, _ = io.Copy(far, far)
			_ = far.Close()
		}()
		return near, nil
	}}
	p.Set(t)
	go func() { _ = p.Serve(l) }()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", l.Addr().String())
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(trialLimit))
	return conn, func() {
		_ = conn.Close()
		_ = l.Close()
		p.Close()
	}, nil
}
