package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// through opens a connection to an echo server through a proxy.
func through(t *testing.T, toxics Toxics) (net.Conn, *Proxy) {
	t.Helper()
	echo := listen(t)
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	p := &Proxy{Dial: func(ctx context.Context, _ net.Conn) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", echo.Addr().String())
	}}
	p.Set(toxics)
	front := listen(t)
	go func() { _ = p.Serve(front) }()
	t.Cleanup(p.Close)
	conn, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, p
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func roundTrip(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	begun := time.Now()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return time.Since(begun)
}

func TestEveryByteArrivesWhateverTheToxics(t *testing.T) {
	sent := make([]byte, 300_000)
	_, _ = rand.Read(sent)
	for name, toxics := range map[string]Toxics{"none": {}, "latency": {Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}, "bandwidth": {Rate: 3 << 20}, "slow close": {SlowClose: 50 * time.Millisecond}} {
		conn, _ := through(t, toxics)
		go func() {
			_, _ = conn.Write(sent)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(sent), err)
		}
	}
}

func TestLatencyRaisesTheRoundTrip(t *testing.T) {
	conn, _ := through(t, Toxics{Latency: 80 * time.Millisecond})
	if took := roundTrip(t, conn); took < 80*time.Millisecond {
		t.Errorf("a round trip took %v", took)
	}
}

func TestBandwidthIsNarrow(t *testing.T) {
	conn, _ := through(t, Toxics{Rate: 100 << 10})
	begun := time.Now()
	go func() { _, _ = conn.Write(make([]byte, 40<<10)) }()
	if _, err := io.ReadFull(conn, make([]byte, 40<<10)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 350*time.Millisecond {
		t.Errorf("40 KiB passed in %v at 100 KiB/s", took)
	}
}

func TestSilenceKeepsTheConnection(t *testing.T) {
	for name, toxics := range map[string]Toxics{"out": {DropOut: true}, "in": {DropIn: true}} {
		conn, _ := through(t, toxics)
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAChangeCutsWhatIsOpenAndHoldsForWhatComes(t *testing.T) {
	conn, p := through(t, Toxics{})
	roundTrip(t, conn)
	p.Set(Toxics{Reset: true})
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("what was open: %v", err)
	}
	again, err := net.Dial("tcp", conn.RemoteAddr().String())
	if err == nil {
		defer func() { _ = again.Close() }()
		_ = again.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = again.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("what comes: %v", err)
	}
	p.Set(Toxics{})
	after, err := net.Dial("tcp", conn.RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = after.Close() }()
	roundTrip(t, after)
}
