package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// serveNames opens a name server that fails for the names of the fault and passes every other question on, past the rules,
// to the servers that this namespace has.
func (p *path) serveNames() error {
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(config.Servers) == 0 {
		return errors.New("the unit has no name server")
	}
	packets, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		return err
	}
	p.port = uint16(packets.LocalAddr().(*net.UDPAddr).Port)
	stream, err := net.Listen("tcp4", fmt.Sprintf(":%d", p.port))
	if err != nil {
		return err
	}
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg)
		if len(q.Question) == 1 && !p.fails(q.Question[0].Name) {
			client := dns.Client{Net: w.LocalAddr().Network(), Timeout: 5 * time.Second, Dialer: &net.Dialer{Control: marked, Timeout: 2 * time.Second}}
			for _, server := range config.Servers {
				if got, _, err := client.Exchange(q, net.JoinHostPort(server, config.Port)); err == nil {
					_ = w.WriteMsg(got)
					return
				}
			}
		}
		_ = w.WriteMsg(reply.SetRcode(q, dns.RcodeServerFailure))
	})
	go func() { _ = (&dns.Server{PacketConn: packets, Handler: answer}).ActivateAndServe() }()
	go func() { _ = (&dns.Server{Listener: stream, Handler: answer}).ActivateAndServe() }()
	return nil
}

// fails reports whether a name, or one that it is below of, is among those that do not resolve.
func (p *path) fails(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, n := range p.Names {
		n = strings.ToLower(strings.TrimSuffix(n, "."))
		if name == n || strings.HasSuffix(name, "."+n) {
			return true
		}
	}
	return len(p.Names) == 0
}

// lookUp asks for a name as any program in this namespace would.
func (p *path) lookUp() (string, error) {
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return "", err
	}
	name := "gameday.invalid"
	if len(p.Names) > 0 {
		name = p.Names[0]
	}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	client := dns.Client{Timeout: time.Second}
	got, _, err := client.Exchange(question, net.JoinHostPort(config.Servers[0], config.Port))
	if err != nil {
		return "", err
	}
	if got.Rcode != dns.RcodeServerFailure {
		return "", fmt.Errorf("%s is answered as before (%s)", name, dns.RcodeToString[got.Rcode])
	}
	return fmt.Sprintf("asking for %s fails (%s)", name, dns.RcodeToString[got.Rcode]), nil
}
