package fault

import (
	"strings"
	"testing"

	"gameday/engine/platform"
)

func TestRadius(t *testing.T) {
	var all []platform.Unit
	for _, name := range []string{"worker-1", "worker-2", "worker-3", "worker-4", "api-1", "api-2"} {
		all = append(all, platform.Unit{Name: name, Service: strings.Split(name, "-")[0], State: platform.Running})
	}
	all[3].Health = "unhealthy"
	pick := func(names string) []platform.Unit {
		var some []platform.Unit
		for _, u := range all {
			if strings.Contains(names, u.Name) {
				some = append(some, u)
			}
		}
		return some
	}
	for _, c := range []struct {
		what   string
		radius Radius
		down   string
		left   map[string]int
		want   string
	}{
		{"nothing is bounded", Radius{}, "api-1 api-2", nil, ""},
		{"as many as may be", Radius{Count: 2}, "worker-1 worker-2", nil, ""},
		{"one too many", Radius{Count: 1}, "worker-1 worker-2", nil, "2 units of worker down, and the blast radius is 1"},
		{"each service by itself", Radius{Count: 1}, "worker-1 api-1", nil, ""},
		{"a share", Radius{Percent: 50}, "worker-1 worker-2", nil, ""},
		{"too large a share", Radius{Percent: 49}, "worker-1 worker-2", nil, "2 of 4 units of worker down, and the blast radius is 49%"},
		{"enough are left", Radius{Healthy: 1}, "worker-1 worker-2", nil, ""},
		{"an unhealthy one does not count", Radius{Healthy: 1}, "worker-1 worker-2 worker-3", nil, "0 healthy units of worker, and 1 have to be left"},
		{"a service that is scaled down", Radius{Healthy: 2, Count: 2}, "worker-1 worker-2 worker-3 worker-4", map[string]int{"worker": 2}, ""},
		{"a service that is scaled too far down", Radius{Healthy: 2}, "worker-1 worker-2 worker-3 worker-4", map[string]int{"worker": 1}, "1 healthy units of worker"},
	} {
		err := c.radius.Within(pick(c.down), all, c.left)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// What runs on a unit goes down with it, and is in the plan; what is to be left alone keeps its host from being touched.
func TestHosted(t *testing.T) {
	units := []platform.Unit{
		{Name: "i-1", Service: "hosts", State: platform.Running}, {Name: "worker-1", Service: "worker", Host: "i-1", State: platform.Running},
		{Name: "worker-2", Service: "worker", Host: "i-2", State: platform.Running},
	}
	chosen, err := withHosted(units[:1], units)
	if err != nil || strings.Join(names(chosen), " ") != "i-1 worker-1" || strings.Join(names(acted(chosen)), " ") != "i-1" {
		t.Errorf("%v, %v", names(chosen), err)
	}
	units[1].Closed = "has not opted in by the tag gameday=allowed"
	if _, err := withHosted(units[:1], units); err == nil || !strings.Contains(err.Error(), "worker-1 runs on i-1 and is to be left alone (has not opted in") {
		t.Error(err)
	}
}
