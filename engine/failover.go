package engine

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// apiTransport speaks to a target's API. Where the target gives several addresses of it (API_ADDRS), connections go to them
// in turn, as a load balancer deals them: one that takes none is left out until it says that it is ready.
func apiTransport(env map[string]string) *http.Transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	t := &http.Transport{MaxIdleConns: 2000, MaxIdleConnsPerHost: 1000, IdleConnTimeout: 90 * time.Second, DialContext: dialer.DialContext}
	addrs := strings.FieldsFunc(env["API_ADDRS"], func(r rune) bool { return r == ',' })
	api, err := url.Parse(env["API_URL"])
	if err != nil || len(addrs) < 2 {
		return t
	}
	b := &balancer{addrs: addrs, out: map[string]bool{}, dialer: dialer}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == api.Host {
			return b.dial(ctx, network)
		}
		return dialer.DialContext(ctx, network, addr)
	}
	return t
}

// readyEvery is how often an address that was left out is asked whether it is ready again.
const readyEvery = 250 * time.Millisecond

type balancer struct {
	addrs  []string
	dialer *net.Dialer

	mu   sync.Mutex
	turn int
	out  map[string]bool
}

// next gives the addresses to try, in order: those that are left out come last.
func (b *balancer) next() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn++
	var in, out []string
	for i := range b.addrs {
		addr := b.addrs[(b.turn+i)%len(b.addrs)]
		if b.out[addr] {
			out = append(out, addr)
		} else {
			in = append(in, addr)
		}
	}
	return append(in, out...)
}

func (b *balancer) dial(ctx context.Context, network string) (conn net.Conn, err error) {
	for _, addr := range b.next() {
		if conn, err = b.dialer.DialContext(ctx, network, addr); err == nil {
			return conn, nil
		}
		b.leaveOut(addr)
	}
	return nil, err
}

func (b *balancer) leaveOut(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.out[addr] {
		return
	}
	b.out[addr] = true
	go func() {
		client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		const patience = 10 * time.Minute
		for begun := time.Now(); time.Since(begun) < patience; time.Sleep(readyEvery) {
			resp, err := client.Get("http://" + addr + "/readyz")
			if err != nil {
				continue
			}
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.out, addr)
	}()
}
