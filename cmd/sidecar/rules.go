package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rules are one lease's, in a table of their own: nothing that others made is looked at, and taking the table away takes
// all of them away.
type rules struct {
	conn  *nftables.Conn
	table *nftables.Table
}

const tablePrefix = "gameday-"

func newRules(lease string) (*rules, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	r := &rules{conn: conn, table: &nftables.Table{Family: nftables.TableFamilyIPv4, Name: tablePrefix + lease}}
	if _, err := conn.ListTablesOfFamily(nftables.TableFamilyIPv4); err != nil {
		return nil, fmt.Errorf("this kernel has no nftables: %w", err)
	}
	return r, nil
}

// remove takes the table away; that it is not there is fine.
func (r *rules) remove() error {
	r.conn.DelTable(r.table)
	err := r.conn.Flush()
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}

// cleanVerb takes a lease's rules away, whoever made them.
func cleanVerb(_ context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("clean takes a lease")
	}
	r, err := newRules(args[0])
	if err != nil {
		return err
	}
	return r.remove()
}

// The priorities of our chains: network address translation before Docker's own, filters at their usual place.
var (
	natPriority    = nftables.ChainPriorityRef(-101)
	filterPriority = nftables.ChainPriorityFilter
)

// apply puts the rules of a fault in place, all at once.
func (r *rules) apply(p *path) error {
	r.conn.AddTable(r.table)
	chain := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
		return r.conn.AddChain(&nftables.Chain{Name: name, Table: r.table, Type: kind, Hooknum: hook, Priority: priority})
	}
	add := func(c *nftables.Chain, parts ...[]expr.Any) {
		var all []expr.Any
		for _, part := range parts {
			all = append(all, part...)
		}
		r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: c, Exprs: all})
	}
	out := chain("out", nftables.ChainTypeFilter, nftables.ChainHookOutput, filterPriority)
	in := chain("in", nftables.ChainTypeFilter, nftables.ChainHookInput, filterPriority)
	switch {
	case p.Kind == "dns":
		nat := chain("nat-out", nftables.ChainTypeNAT, nftables.ChainHookOutput, natPriority)
		add(nat, proto(unix.IPPROTO_UDP), port(toPort, 53), unmarked(), redirect(p.port))
		add(nat, proto(unix.IPPROTO_TCP), port(toPort, 53), unmarked(), redirect(p.port))
	case p.proxied():
		if p.Port == 0 {
			nat := chain("nat-out", nftables.ChainTypeNAT, nftables.ChainHookOutput, natPriority)
			for _, far := range p.far() {
				match := join(proto(unix.IPPROTO_TCP), away(expr.MetaKeyOIFNAME), far.match(toAddr, toPort), unmarked())
				add(nat, match, redirect(p.port))
				add(out, match, notHome(), original(), counter(), reset())
			}
		}
		if len(p.To) == 0 {
			nat := chain("nat-in", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, natPriority)
			mine := join(proto(unix.IPPROTO_TCP), away(expr.MetaKeyIIFNAME))
			if p.Port > 0 {
				mine = join(mine, port(toPort, uint16(p.Port)))
			}
			add(nat, mine, redirect(p.port))
			add(in, mine, notPort(p.port), original(), counter(), reset())
		}
	default:
		for _, far := range p.far() {
			leaving := join(away(expr.MetaKeyOIFNAME), far.match(toAddr, toPort), unmarked())
			coming := join(away(expr.MetaKeyIIFNAME), far.match(fromAddr, fromPort))
			switch p.Kind {
			case "loss":
				for c, match := range map[*nftables.Chain][]expr.Any{out: leaving, in: coming} {
					add(c, match, counter())
					add(c, match, chance(p.Percent), counter(), drop())
				}
			case "reset":
				add(out, proto(unix.IPPROTO_TCP), leaving, counter(), reset())
				if len(p.To) == 0 {
					add(in, proto(unix.IPPROTO_TCP), coming, counter(), reset())
				}
			default: // blackhole and partition
				if p.Direction != "in" {
					add(out, leaving, counter(), drop())
				}
				if p.Direction != "out" {
					add(in, coming, counter(), drop())
				}
			}
		}
	}
	return r.conn.Flush()
}

// count adds up the packets that rules stopped, and those that they looked at first where they stop only some.
func (r *rules) count() (stopped, seen uint64, err error) {
	for _, name := range []string{"out", "in"} {
		list, err := r.conn.GetRules(r.table, &nftables.Chain{Name: name, Table: r.table})
		if err != nil {
			return 0, 0, err
		}
		for _, rule := range list {
			var packets uint64
			stops := false
			for _, e := range rule.Exprs {
				switch e := e.(type) {
				case *expr.Counter:
					packets = e.Packets
				case *expr.Verdict, *expr.Reject:
					stops = true
				}
			}
			if stops {
				stopped += packets
			} else {
				seen += packets
			}
		}
	}
	return stopped, seen, nil
}

// farEnd is whom a rule is about; the zero value is everybody.
type farEnd struct{ netip.AddrPort }

func (p *path) far() []farEnd {
	if len(p.To) == 0 {
		return []farEnd{{}}
	}
	all := make([]farEnd, len(p.To))
	for i, to := range p.To {
		all[i] = farEnd{to}
	}
	return all
}

func (f farEnd) match(addr, port_ uint32) []expr.Any {
	if !f.IsValid() {
		return nil
	}
	four := f.Addr().As4()
	match := []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: addr, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: four[:]},
	}
	if f.Port() > 0 {
		match = join(match, proto(unix.IPPROTO_TCP), port(port_, f.Port()))
	}
	return match
}

// Offsets in the headers of IPv4 and TCP.
const (
	fromAddr, toAddr = uint32(12), uint32(16)
	fromPort, toPort = uint32(0), uint32(2)
)

func join(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func proto(number byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}}}
}

func port(offset uint32, number uint16) []expr.Any { return comparePort(expr.CmpOpEq, offset, number) }
func notPort(number uint16) []expr.Any             { return comparePort(expr.CmpOpNeq, toPort, number) }

func comparePort(op expr.CmpOp, offset uint32, number uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: op, Register: 1, Data: binary.BigEndian.AppendUint16(nil, number)},
	}
}

// away matches what does not stay in this namespace.
func away(key expr.MetaKey) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, "lo")
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: name}}
}

func unmarked() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(ours)}}
}

// notHome matches what is not addressed to this host itself. What was redirected already is; by its interface, which stays
// what it was until it has passed all rules, that cannot be told.
func notHome() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: toAddr, Len: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{127}},
	}
}

// original matches what whoever opened a connection sends.
func original() []expr.Any {
	return []expr.Any{&expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}}}
}

func chance(percent float64) []expr.Any {
	const outOf = 10_000
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: outOf, Type: unix.NFT_NG_RANDOM},
		&expr.Byteorder{DestRegister: 1, SourceRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(percent / 100 * outOf))},
	}
}

func redirect(to uint16) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, to)},
		&expr.Redir{RegisterProtoMin: 1},
	}
}

func counter() []expr.Any { return []expr.Any{&expr.Counter{}} }
func drop() []expr.Any    { return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}} }
func reset() []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
}
