package fault

import (
	"context"
	"errors"

	"gameday/engine/platform"
	"gameday/runbook"
)

// pressure takes resources from units.
type pressure struct{ platform.Pressure }

// The resource faults, each from its parameters.

func cpu(p any) Fault {
	return pressure{platform.Pressure{Kind: "cpu", Percent: float64(p.(*runbook.CPUParams).Percent)}}
}

func memory(p any) Fault {
	return pressure{platform.Pressure{Kind: "memory", Size: int64(p.(*runbook.MemoryParams).Size)}}
}

func disk(p any) Fault {
	return pressure{platform.Pressure{Kind: "io", Rate: int64(p.(*runbook.IOParams).Rate)}}
}

func fill(p any) Fault {
	in := p.(*runbook.DiskParams)
	return pressure{platform.Pressure{Kind: "disk", Path: in.Path, Leave: int64(in.Leave)}}
}

func (f pressure) of(a Aim) platform.Pressure {
	p := f.Pressure
	p.Lease, p.Lasts = a.Lease, a.Lasts
	return p
}

func (f pressure) Needs(p platform.Platform) error {
	r, ok := p.(platform.Resources)
	if !ok {
		return errors.New("this platform cannot take resources from a unit")
	}
	return r.Presses(f.Pressure)
}

func (f pressure) Undo(ctx context.Context, a Aim) (Undo, error) {
	return mends(a, func(u platform.Unit) (map[string]string, error) {
		return a.Platform.(platform.Resources).Using(ctx, u.Name, f.of(a))
	})
}

func (f pressure) Inject(ctx context.Context, a Aim) error {
	return each(acted(a.Units), func(u platform.Unit) error { return a.Platform.(platform.Resources).Press(ctx, u.Name, f.of(a)) })
}

func (f pressure) InEffect(ctx context.Context, a Aim) (string, error) {
	return gather(acted(a.Units), func(u platform.Unit) (string, error) {
		return a.Platform.(platform.Resources).Pressed(ctx, u.Name, f.of(a))
	})
}
