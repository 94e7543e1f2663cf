// Package wire opens this program's connections to its stores. Where DIAL_THROUGH names proxies that stand before them, as
// "10.0.0.1:5432=127.0.0.1:7001,…", connections go through those, whatever told the store's own address.
package wire

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
)

var through = sync.OnceValue(func() map[string]string {
	proxies := map[string]string{}
	for _, pair := range strings.Split(os.Getenv("DIAL_THROUGH"), ",") {
		if store, proxy, ok := strings.Cut(pair, "="); ok {
			proxies[store] = proxy
		}
	}
	return proxies
})

// Dial opens a connection. It keeps to its context's deadline.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if proxy := through()[addr]; proxy != "" {
		addr = proxy
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}
