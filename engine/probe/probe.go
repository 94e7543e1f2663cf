// Package probe measures: one file a kind of probe. A probe says what it saw; whether that is fine is the runbook's
// expectation to say.
package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"

	"gameday/engine/load"
	"gameday/engine/platform"
	"gameday/engine/secret"
	"gameday/runbook"
)

// Measurement is what a probe saw once.
type Measurement struct {
	Values map[string]any // the names that an expectation may use
	Number float64        // the one that is charted and compared
}

// Probe measures, again and again. Measure respects its context's deadline; a Probe is used by one goroutine at a time.
type Probe interface {
	Measure(ctx context.Context) (Measurement, error)
	Close()
}

// Tools are what probes measure with.
type Tools struct {
	Platform platform.Platform
	Values   *secret.Values
	Load     *load.Load // nil where the runbook has none
	Folder   string     // the runbook's, where programs that it names by a relative path lie
}

// kind is one row of the table of probes.
type kind struct {
	make func(params any, tools Tools) (Probe, error)
	unit string // of Number
}

var kinds = map[string]kind{
	"http": {newHTTP, "ms"}, "tcp": {newTCP, "ms"}, "dns": {newDNS, "ms"}, "sql": {newSQL, ""}, "redis": {newRedis, ""},
	"metrics": {newMetrics, ""}, "prometheus": {newPrometheus, ""}, "exec": {newExec, ""},
	"units": {newUnits, ""}, "log": {newLog, "/s"}, "load": {newLoad, ""},
	"cloudwatch": {gaugeOf("value", cloudWatch), ""}, "ecs": {gaugeOf("running", ecsService), ""}, "targets": {gaugeOf("healthy", targetHealth), ""},
	"events": {gaugeOf("count", events), ""},
}

// New makes a probe, with every ${NAME} in its parameters replaced.
func New(spec runbook.ProbeSpec, tools Tools) (Probe, error) {
	k, ok := kinds[spec.Kind]
	if !ok {
		return nil, fmt.Errorf("this build has no probe of kind %q", spec.Kind)
	}
	params := clone(spec.Params)
	if err := tools.Values.ExpandAll(params); err != nil {
		return nil, err
	}
	return k.make(params, tools)
}

// Unit gives the unit of a probe's number: "ms", "/s", "%" or none.
func Unit(spec runbook.ProbeSpec) string {
	if p, ok := spec.Params.(*runbook.LoadProbe); ok {
		return loadUnits[p.Measure]
	}
	return kinds[spec.Kind].unit
}

// clone copies parameters so deep that expanding the copy leaves the runbook, which is shown and kept, as it was written.
func clone(params any) any {
	from := reflect.ValueOf(params).Elem()
	to := reflect.New(from.Type())
	to.Elem().Set(from)
	switch p := to.Interface().(type) {
	case *runbook.HTTPProbe:
		p.HTTP.Headers = maps.Clone(p.HTTP.Headers)
	case *runbook.ExecProbe:
		p.Argv = append([]string(nil), p.Argv...)
	case *runbook.CloudWatchProbe:
		p.CloudWatch.Dimensions = maps.Clone(p.CloudWatch.Dimensions)
	}
	return to.Interface()
}

// maxBody bounds what is read of any answer.
const maxBody = 1 << 20

var errNoAnswer = errors.New("no request was answered in the last second")

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
