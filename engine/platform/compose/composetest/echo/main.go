// Command echo is what a project made for tests and measurements runs in its containers: a server, a client, and ways to
// try the link between them from inside.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "reach" {
		took, err := reach(os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(took.Nanoseconds())
		return
	}
	if len(os.Args) > 2 && (os.Args[1] == "rtt" || os.Args[1] == "stream") {
		if err := measure(os.Args[1], os.Args[2]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGTERM, syscall.SIGINT)
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		l, err := net.Listen("tcp", os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go serve(l)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	for n := 0; ; n++ {
		fmt.Println("line", n)
		select {
		case <-over:
			return
		case <-tick.C:
		}
	}
}

func serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}()
	}
}

// reach connects, sends a byte and waits for it to come back.
func reach(addr string) (time.Duration, error) {
	begun := time.Now()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("x")); err != nil {
		return 0, err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return time.Since(begun), err
}

// measure prints the median nanoseconds of a round trip over one connection, or the bytes a second of an echoed stream.
func measure(what, addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if what == "rtt" {
		var took []time.Duration
		for range 3000 {
			begun := time.Now()
			if _, err := conn.Write([]byte("x")); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				return err
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		fmt.Println(took[len(took)/2].Nanoseconds())
		return nil
	}
	const span = 2 * time.Second
	go func() {
		piece := make([]byte, 256<<10)
		for begun := time.Now(); time.Since(begun) < span; {
			if _, err := conn.Write(piece); err != nil {
				return
			}
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	begun := time.Now()
	n, err := io.Copy(io.Discard, conn)
	fmt.Println(int64(float64(n) / time.Since(begun).Seconds()))
	return err
}
