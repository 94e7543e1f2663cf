package probe

import (
	"context"
	"errors"
	"time"

	"gameday/engine/load"
	"gameday/runbook"
)

// LoadWindow is the span of time that a measure of the load looks back over.
const LoadWindow = time.Second

// loadProbe measures the load that the console itself sends.
type loadProbe struct {
	load    *load.Load
	measure string
}

var loadUnits = map[string]string{"success_rate": "", "error_rate": "", "p50": "ms", "p99": "ms", "rate": "/s"}

func newLoad(params any, tools Tools) (Probe, error) {
	if tools.Load == nil {
		return nil, errors.New("this probe measures the load, and there is none")
	}
	return loadProbe{tools.Load, params.(*runbook.LoadProbe).Measure}, nil
}

func (p loadProbe) Measure(context.Context) (Measurement, error) {
	w := p.load.Last(LoadWindow)
	success, known := w.SuccessRate()
	if !known && p.measure != "rate" {
		return Measurement{}, errNoAnswer
	}
	of := func(value any, number float64) (Measurement, error) {
		return Measurement{map[string]any{"value": value}, number}, nil
	}
	switch p.measure {
	case "success_rate":
		return of(success, success)
	case "error_rate":
		return of(1-success, 1-success)
	case "p50":
		return of(w.P50, milliseconds(w.P50))
	case "p99":
		return of(w.P99, milliseconds(w.P99))
	default:
		return of(w.Rate, w.Rate)
	}
}

func (loadProbe) Close() {}
