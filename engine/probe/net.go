package probe

import (
	"context"
	"errors"
	"net"
	"time"

	"gameday/runbook"
)

// tcpProbe opens a connection and closes it again.
type tcpProbe struct{ addr string }

func newTCP(params any, _ Tools) (Probe, error) {
	addr := params.(*runbook.TCPProbe).Addr
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, errors.New("tcp: write the address as host:port")
	}
	return tcpProbe{addr}, nil
}

func (p tcpProbe) Measure(ctx context.Context) (Measurement, error) {
	begun := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	latency := time.Since(begun)
	if err == nil {
		_ = conn.Close()
	}
	return Measurement{map[string]any{"open": err == nil, "latency": latency}, milliseconds(latency)}, nil
}

func (tcpProbe) Close() {}

// dnsProbe resolves a name. A name that does not exist has no addresses; that is a measurement, not an error.
type dnsProbe struct{ name string }

func newDNS(params any, _ Tools) (Probe, error) {
	return dnsProbe{params.(*runbook.DNSProbe).Name}, nil
}

func (p dnsProbe) Measure(ctx context.Context) (Measurement, error) {
	begun := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(ctx, p.name)
	latency := time.Since(begun)
	var unknown *net.DNSError
	if err != nil && (!errors.As(err, &unknown) || !unknown.IsNotFound) {
		return Measurement{}, err
	}
	return Measurement{map[string]any{"addresses": float64(len(addresses)), "latency": latency}, milliseconds(latency)}, nil
}

func (dnsProbe) Close() {}
