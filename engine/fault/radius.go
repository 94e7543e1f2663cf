package fault

import (
	"fmt"
	"maps"
	"slices"

	"gameday/engine/platform"
)

// Radius bounds what faults may take down at once, of each service. Zero bounds nothing.
type Radius struct {
	Count   int     // units
	Percent float64 // share of the service's units
	Healthy int     // healthy units that are left
}

// sparing are the kinds of fault that take no unit down.
var sparing = map[string]bool{"none": true, "script": true, "aws.failover": true, "cache.failover": true, "aws.refresh": true, "aws.deregister": true}

// Spares reports whether a kind of fault leaves its units running, so that no healthy unit is lost by it.
func Spares(kind string) bool { return sparing[kind] }

// Within reports which service would lose more than the radius allows, were the chosen units to go down. left is, by
// service, how many units a fault leaves by itself, where it says so.
func (r Radius) Within(chosen, all []platform.Unit, left map[string]int) error {
	if r == (Radius{}) {
		return nil
	}
	down := map[string]int{}
	for _, u := range chosen {
		down[u.Service]++
	}
	for _, service := range slices.Sorted(maps.Keys(down)) {
		total, healthy := 0, 0
		for _, u := range all {
			if u.Service != service {
				continue
			}
			total++
			if _, gone := find(chosen, u.Name); u.Healthy() && !gone {
				healthy++
			}
		}
		if n, says := left[service]; says {
			down[service], healthy = max(0, down[service]-n), n
		}
		switch n := down[service]; {
		case r.Count > 0 && n > r.Count:
			return fmt.Errorf("it would take %d units of %s down, and the blast radius is %d", n, service, r.Count)
		case r.Percent > 0 && float64(n) > r.Percent/100*float64(total):
			return fmt.Errorf("it would take %d of %d units of %s down, and the blast radius is %g%%", n, total, service, r.Percent)
		case healthy < r.Healthy:
			return fmt.Errorf("it would leave %d healthy units of %s, and %d have to be left", healthy, service, r.Healthy)
		}
	}
	return nil
}
