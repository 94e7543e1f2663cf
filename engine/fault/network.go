package fault

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"gameday/engine/platform"
	"gameday/runbook"
)

// network impairs links.
type network struct{ platform.Impairment }

func (n network) of(a Aim) platform.Impairment {
	i := n.Impairment
	i.Lease, i.Lasts = a.Lease, a.Lasts
	return i
}

// The network faults, each from its parameters.

func latency(p any) Fault {
	in := p.(*runbook.LatencyParams)
	return network{platform.Impairment{Kind: "latency", Latency: in.Latency.Std(), Jitter: in.Jitter.Std(), To: far(in.To)}}
}

func bandwidth(p any) Fault {
	in := p.(*runbook.BandwidthParams)
	return network{platform.Impairment{Kind: "bandwidth", Rate: int64(in.Rate), To: far(in.To)}}
}

func slowClose(p any) Fault {
	return network{platform.Impairment{Kind: "slow_close", To: far(p.(*runbook.LinkParams).To)}}
}

func loss(p any) Fault {
	in := p.(*runbook.LossParams)
	return network{platform.Impairment{Kind: "loss", Percent: float64(in.Percent), To: far(in.To)}}
}

func simple(kind string) func(any) Fault {
	return func(p any) Fault {
		return network{platform.Impairment{Kind: kind, To: far(p.(*runbook.LinkParams).To)}}
	}
}

func partition(p any) Fault {
	in := p.(*runbook.PartitionParams)
	return network{platform.Impairment{Kind: "partition", Direction: cmp.Or(in.Direction, "both"), To: far(in.To)}}
}

func noNames(p any) Fault {
	return network{platform.Impairment{Kind: "dns", Names: p.(*runbook.DNSParams).Names}}
}

func slowPostgres(p any) Fault {
	return network{platform.Impairment{Kind: "latency", Latency: p.(*runbook.SlowParams).Delay.Std(), Port: 5432}}
}

func far(l *runbook.Link) *platform.Far {
	if l == nil {
		return nil
	}
	return &platform.Far{Service: l.Service, Port: l.Port}
}

func (n network) Needs(p platform.Platform) error {
	net, ok := p.(platform.Network)
	if !ok {
		return errors.New("this platform cannot impair the links of a unit")
	}
	return net.Fits(n.Impairment)
}

func (n network) Undo(ctx context.Context, a Aim) (Undo, error) {
	return mends(a, func(u platform.Unit) (map[string]string, error) {
		return a.Platform.(platform.Network).Standing(ctx, u.Name, n.of(a))
	})
}

// mends makes a Mend step for every unit.
func mends(a Aim, with func(platform.Unit) (map[string]string, error)) (Undo, error) {
	units := acted(a.Units)
	undo := make(Undo, len(units))
	for i, u := range units {
		values, err := with(u)
		if err != nil {
			return nil, err
		}
		undo[i] = platform.Step{Op: platform.Mend, Unit: u.Name, Lease: a.Lease, With: values, Limit: platform.PaceOf(a.Platform).Undo}
	}
	return undo, nil
}

// Prepare puts what will impair the links in place, idle.
func (n network) Prepare(ctx context.Context, a Aim) error {
	return each(acted(a.Units), func(u platform.Unit) error { return a.Platform.(platform.Network).Prepare(ctx, u.Name, n.of(a)) })
}

func (n network) Inject(ctx context.Context, a Aim) error {
	return each(acted(a.Units), func(u platform.Unit) error { return a.Platform.(platform.Network).Impair(ctx, u.Name, n.of(a)) })
}

func (n network) InEffect(ctx context.Context, a Aim) (string, error) {
	return gather(acted(a.Units), func(u platform.Unit) (string, error) {
		return a.Platform.(platform.Network).Impaired(ctx, u.Name, n.of(a))
	})
}

// gather asks about all units at once and joins what is said, in the order of the units.
func gather(units []platform.Unit, ask func(platform.Unit) (string, error)) (string, error) {
	said := make([]string, len(units))
	index := map[string]int{}
	for i, u := range units {
		index[u.Name] = i
	}
	err := each(units, func(u platform.Unit) (err error) {
		said[index[u.Name]], err = ask(u)
		return err
	})
	if err != nil {
		return "", err
	}
	return strings.Join(said, "; "), nil
}
