package keeper

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"gameday/engine/platform"
)

// place is a platform with units that may refuse to be put back.
type place struct {
	refuses map[string]bool

	mu   sync.Mutex
	back map[string]int
}

func (p *place) Units(context.Context) ([]platform.Unit, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var units []platform.Unit
	for name := range p.back {
		units = append(units, platform.Unit{Name: name, State: platform.Running})
	}
	return units, nil
}

func (*place) Watch(context.Context) (<-chan platform.Unit, error)                { return nil, nil }
func (*place) Environment(context.Context) (map[string]string, error)             { return nil, nil }
func (*place) Manual(platform.Step, platform.Unit) string                         { return "" }
func (p *place) open(context.Context, platform.Target) (platform.Platform, error) { return p, nil }

func (p *place) Undo(_ context.Context, s platform.Step) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses[s.Unit] {
		return errors.New(s.Unit + " does not want to")
	}
	p.back[s.Unit]++
	return nil
}

func TestOneUnitThatCannotBePutBackHoldsNoOtherUp(t *testing.T) {
	p := &place{refuses: map[string]bool{"a": true}, back: map[string]int{}}
	l := Lease{Undo: []platform.Step{{Op: platform.Start, Unit: "a"}, {Op: platform.Start, Unit: "b"}, {Op: platform.Start, Unit: "c"}}}
	if _, err := Undo(t.Context(), p.open, l); err == nil || !strings.Contains(err.Error(), "a does not want to") {
		t.Error(err)
	}
	if p.back["b"] != 1 || p.back["c"] != 1 {
		t.Errorf("put back: %v", p.back)
	}
	p.refuses = nil
	if evidence, err := Undo(t.Context(), p.open, l); err != nil || evidence != "a runs, b runs, c runs" {
		t.Errorf("%q %v", evidence, err)
	}
}
