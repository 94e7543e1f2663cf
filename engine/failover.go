package engine

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// apiTransport speaks to a target's API. Where the target gives several addresses of it (API_ADDRS), a connection goes to
// one after the other, and past those that take none: as a client does whose resolver gives several addresses for a name.
func apiTransport(env map[string]string) *http.Transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	t := &http.Transport{MaxIdleConns: 2000, MaxIdleConnsPerHost: 1000, IdleConnTimeout: 90 * time.Second, DialContext: dialer.DialContext}
	addrs := strings.FieldsFunc(env["API_ADDRS"], func(r rune) bool { return r == ',' })
	api, err := url.Parse(env["API_URL"])
	if err != nil || len(addrs) < 2 {
		return t
	}
	var turn atomic.Uint64
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != api.Host {
			return dialer.DialContext(ctx, network, addr)
		}
		first := turn.Add(1)
		var conn net.Conn
		var err error
		for i := range addrs {
			if conn, err = dialer.DialContext(ctx, network, addrs[(int(first)+i)%len(addrs)]); err == nil {
				break
			}
		}
		return conn, err
	}
	return t
}
