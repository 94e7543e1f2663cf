package fault

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gameday/engine/platform"
	"gameday/runbook"
)

// Select chooses the units that a fault is for. Units that ask to be left alone, and those that do not run, are never
// among them. outOf is how many it had to choose from.
func Select(sel runbook.Selector, units []platform.Unit, random *rand.Rand) (chosen []platform.Unit, outOf int, err error) {
	var fits, skipped []platform.Unit
	for _, u := range units {
		if !matches(sel, u) {
			continue
		}
		if u.Skipped() {
			skipped = append(skipped, u)
		} else {
			fits = append(fits, u)
		}
	}
	if len(fits) == 0 {
		if len(skipped) > 0 && skipped[0].Closed != "" {
			return nil, 0, fmt.Errorf("no unit that fits %s may be touched: %s %s", Describe(sel), skipped[0].Name, skipped[0].Closed)
		}
		if len(skipped) > 0 {
			return nil, 0, fmt.Errorf("every unit that fits %s asks to be left alone (label %s)", Describe(sel), platform.SkipLabel)
		}
		return nil, 0, fmt.Errorf("no unit fits %s (there are: %s)", Describe(sel), strings.Join(names(units), ", "))
	}
	outOf = len(fits)
	running := slices.DeleteFunc(fits, func(u platform.Unit) bool { return u.State != platform.Running })
	if sel.Pick == "primary" {
		running = slices.DeleteFunc(running, func(u platform.Unit) bool { return !primary(u) })
		if len(running) == 0 {
			return nil, outOf, fmt.Errorf("none of %s says that it is the primary", Describe(sel))
		}
	}
	n := wanted(sel, outOf)
	if n > len(running) {
		return nil, outOf, fmt.Errorf("%s asks for %d units, and %d of %d run", Describe(sel), n, len(running), outOf)
	}
	slices.SortFunc(running, func(a, b platform.Unit) int { return strings.Compare(a.Name, b.Name) })
	switch sel.Pick {
	case "", "random":
		random.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
	case "oldest":
		slices.SortStableFunc(running, func(a, b platform.Unit) int { return a.Since.Compare(b.Since) })
	}
	if chosen, err = withHosted(running[:n], units); err != nil {
		return nil, outOf, err
	}
	slices.SortFunc(chosen, func(a, b platform.Unit) int { return strings.Compare(a.Name, b.Name) })
	return chosen, max(outOf, len(chosen)), nil
}

// withHosted adds to the chosen units those that run on one of them. One of those that is to be left alone keeps its host
// from being touched.
func withHosted(chosen, units []platform.Unit) ([]platform.Unit, error) {
	all := slices.Clone(chosen)
	for _, u := range units {
		if _, on := find(chosen, u.Host); u.Host == "" || !on || u.State != platform.Running {
			continue
		}
		if _, already := find(all, u.Name); already {
			continue
		}
		if u.Skipped() {
			return nil, fmt.Errorf("%s runs on %s and is to be left alone (%s)", u.Name, u.Host, cmp.Or(u.Closed, "label "+platform.SkipLabel))
		}
		all = append(all, u)
	}
	return all, nil
}

// primary reports whether a cache node takes writes: by what its platform says of it, or else by what it says itself.
func primary(u platform.Unit) bool {
	if role := u.Labels[platform.RoleLabel]; role != "" {
		return role == "primary"
	}
	return takesWrites(u.Addr)
}

func matches(sel runbook.Selector, u platform.Unit) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(sel.Service, u.Service) && is(sel.Instance, u.Instance) && is(sel.Zone, u.Zone) && is(sel.Unit, u.Name)
}

func wanted(sel runbook.Selector, outOf int) int {
	switch {
	case sel.Count > 0:
		return sel.Count
	case sel.Percent > 0:
		return int(math.Ceil(float64(sel.Percent) / 100 * float64(outOf)))
	case sel.Pick == "all" || sel.Service == "" && sel.Unit == "":
		return outOf // a failure domain fails as a whole
	default:
		return 1
	}
}

// Check reports a selection that can never fit the target.
func Check(sel runbook.Selector, units []platform.Unit) error {
	if !slices.ContainsFunc(units, func(u platform.Unit) bool { return matches(sel, u) }) {
		return fmt.Errorf("no unit fits %s (there are: %s)", Describe(sel), strings.Join(names(units), ", "))
	}
	return nil
}

// Describe puts a selection in words.
func Describe(sel runbook.Selector) string {
	var parts []string
	for _, p := range [][2]string{{"service", sel.Service}, {"instance", sel.Instance}, {"zone", sel.Zone}, {"unit", sel.Unit}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if len(parts) == 0 {
		return "the selection"
	}
	return strings.Join(parts, " in ")
}

// Same reports whether the chosen units still are what they were when they were chosen.
func Same(chosen, now []platform.Unit) error {
	for _, was := range chosen {
		is, there := find(now, was.Name)
		if !there || is.State != was.State || is.PID != was.PID || is.ID != was.ID || !is.Since.Equal(was.Since) {
			return errors.New(was.Name + " is not what it was when the plan was made")
		}
	}
	return nil
}

func names(units []platform.Unit) []string {
	all := make([]string, len(units))
	for i, u := range units {
		all[i] = u.Name
	}
	return all
}
