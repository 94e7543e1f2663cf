package probe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"gameday/engine/platform"
	"gameday/runbook"
)

// unitsProbe counts a service's units.
type unitsProbe struct {
	platform platform.Platform
	service  string
}

func newUnits(params any, tools Tools) (Probe, error) {
	return unitsProbe{tools.Platform, params.(*runbook.UnitsProbe).Units.Service}, nil
}

func (p unitsProbe) Measure(ctx context.Context) (Measurement, error) {
	units, err := p.platform.Units(ctx)
	if err != nil {
		return Measurement{}, err
	}
	running, total, restarts := 0, 0, 0
	for _, u := range units {
		if u.Service != p.service {
			continue
		}
		total++
		restarts += u.Restarts
		if u.State == platform.Running {
			running++
		}
	}
	if total == 0 {
		return Measurement{}, fmt.Errorf("the target has no service %q", p.service)
	}
	return Measurement{map[string]any{"running": float64(running), "total": float64(total), "restarts": float64(restarts)}, float64(running)}, nil
}

func (unitsProbe) Close() {}

// logProbe counts lines that match, from the moment it is made.
type logProbe struct {
	count  atomic.Int64
	stop   context.CancelFunc
	before int64
	at     time.Time
}

func newLog(params any, tools Tools) (Probe, error) {
	p := params.(*runbook.LogProbe)
	logger, ok := tools.Platform.(platform.Logger)
	if !ok {
		return nil, errors.New("this platform does not give logs")
	}
	match, err := regexp.Compile(p.Log.Match)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	probe := &logProbe{stop: stop, at: time.Now()}
	units, err := tools.Platform.Units(ctx)
	if err != nil {
		stop()
		return nil, err
	}
	for _, u := range units {
		if u.Service != p.Log.Service {
			continue
		}
		lines, err := logger.Logs(ctx, u.Name, 0, true)
		if err != nil {
			stop()
			return nil, err
		}
		go func() {
			for line := range lines {
				if match.MatchString(line) {
					probe.count.Add(1)
				}
			}
		}()
	}
	return probe, nil
}

func (p *logProbe) Measure(context.Context) (Measurement, error) {
	now, count := time.Now(), p.count.Load()
	rate := float64(count-p.before) / max(now.Sub(p.at).Seconds(), 0.001)
	p.before, p.at = count, now
	return Measurement{map[string]any{"rate": rate, "count": float64(count)}, rate}, nil
}

func (p *logProbe) Close() { p.stop() }
