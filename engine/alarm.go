package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gameday/engine/platform"
	"gameday/journal"
	"gameday/runbook"
)

const (
	alarmsEvery = 5 * time.Second
	blindFor    = 30 * time.Second // after which alarms that cannot be read end the run: nobody flies blind
	alarmLimit  = 10 * time.Second
	inAlarm     = "ALARM"
)

// guardText is a guard's condition in words.
func guardText(g runbook.Guard) string {
	if g.Alarm != "" {
		return "the alarm " + g.Alarm + " is in alarm"
	}
	return g.When.Text
}

// alarms names the alarms that guard the run.
func (r *run) alarms() []string {
	var names []string
	for _, g := range r.e.Guards {
		if g.Alarm != "" && !slices.Contains(names, g.Alarm) {
			names = append(names, g.Alarm)
		}
	}
	return names
}

// watchAlarms refuses to begin while an alarm that guards the run is in alarm or is not there, and then looks at all of
// them until nothing more is measured.
func (r *run) watchAlarms() error {
	names := r.alarms()
	if len(names) == 0 {
		return nil
	}
	warden, ok := r.Platform.(platform.Warden)
	if !ok {
		return errors.New("this platform has no alarms that could guard the run")
	}
	states, err := alarmStates(r.ctx, warden, names)
	if err != nil {
		return fmt.Errorf("the alarms that guard the run cannot be read: %w", err)
	}
	if up := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return states[name] != inAlarm }); len(up) > 0 {
		return fmt.Errorf("in alarm before anything was broken: %s", strings.Join(up, ", "))
	}
	r.measuring.Go(func() { r.mindAlarms(warden, names) })
	return nil
}

func alarmStates(ctx context.Context, w platform.Warden, names []string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, alarmLimit)
	defer cancel()
	return w.Alarms(ctx, names)
}

// mindAlarms halts the run when an alarm has been up for its guard's time, or when none could be read for too long.
func (r *run) mindAlarms(warden platform.Warden, names []string) {
	since := map[string]time.Time{}
	seen := time.Now()
	for {
		select {
		case <-r.sampling.Done():
			return
		case <-time.After(alarmsEvery):
		}
		states, err := alarmStates(r.sampling, warden, names)
		if r.sampling.Err() != nil {
			return
		}
		if err != nil {
			if time.Since(seen) > blindFor {
				r.halt(&halted{lost: true, by: "the alarms that guard the run cannot be read", why: r.values.Hide(err.Error())})
			}
			continue
		}
		seen = time.Now()
		r.tripAlarms(states, since)
	}
}

// tripAlarms halts the run where an alarm has been up for its guard's time.
func (r *run) tripAlarms(states map[string]string, since map[string]time.Time) {
	for _, g := range r.e.Guards {
		if states[g.Alarm] != inAlarm {
			delete(since, g.Alarm)
			continue
		}
		if since[g.Alarm].IsZero() {
			since[g.Alarm] = time.Now()
		}
		if time.Since(since[g.Alarm]) >= g.Lasting.Std() {
			_, _ = r.emit(journal.GuardTripped, journal.Said{Run: r.n, Text: guardText(g)})
			r.halt(&halted{guard: true, by: "a guard tripped", why: guardText(g)})
			return
		}
	}
}
