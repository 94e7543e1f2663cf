package fault

import (
	"context"
	"errors"

	"gameday/engine/platform"
)

// remove takes units away altogether.
type remove struct{}

func (remove) Needs(p platform.Platform) error {
	if _, ok := p.(platform.Remover); !ok {
		return errors.New("this platform cannot remove a unit")
	}
	return nil
}

func (remove) Undo(_ context.Context, a Aim) (Undo, error) {
	return steps(platform.Recreate, a.Units), nil
}

func (remove) Inject(ctx context.Context, a Aim) error {
	return each(a.Units, func(u platform.Unit) error { return a.Platform.(platform.Remover).Remove(ctx, u.Name, a.Lease) })
}

func (remove) InEffect(ctx context.Context, a Aim) (string, error) { return gone(ctx, a) }
