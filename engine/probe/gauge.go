package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gameday/engine/platform"
	"gameday/runbook"
)

// gauge reads what only the platform can tell.
type gauge struct {
	from   platform.Gauger
	what   platform.Gauge
	number string // the value that is charted
}

// gaugeOf makes a kind of gauge from its parameters.
func gaugeOf(number string, of func(params any) platform.Gauge) func(any, Tools) (Probe, error) {
	return func(params any, tools Tools) (Probe, error) {
		from, ok := tools.Platform.(platform.Gauger)
		if !ok {
			return nil, errors.New("this platform does not tell that; it is a probe of the platform aws")
		}
		return gauge{from, of(params), number}, nil
	}
}

func cloudWatch(params any) platform.Gauge {
	in := params.(*runbook.CloudWatchProbe).CloudWatch
	return platform.Gauge{Kind: "cloudwatch", Tags: in.Dimensions, With: map[string]string{
		"alarm": in.Alarm, "namespace": in.Namespace, "metric": in.Metric, "stat": in.Stat, "missing": in.Missing,
		"period": fmt.Sprint(int(in.Period.Std() / time.Second)),
	}}
}

func ecsService(params any) platform.Gauge {
	in := params.(*runbook.ECSProbe).ECS
	return platform.Gauge{Kind: "ecs", With: map[string]string{"service": in.Service, "cluster": in.Cluster}}
}

func targetHealth(params any) platform.Gauge {
	return platform.Gauge{Kind: "targets", With: map[string]string{"group": params.(*runbook.TargetsProbe).Targets.Group}}
}

func events(params any) platform.Gauge {
	in := params.(*runbook.EventsProbe).Events
	return platform.Gauge{Kind: "events", With: map[string]string{
		"rds": in.RDS, "elasticache": in.ElastiCache, "match": in.Match, "since": time.Now().UTC().Format(time.RFC3339),
	}}
}

func (g gauge) Measure(ctx context.Context) (Measurement, error) {
	values, err := g.from.Gauge(ctx, g.what)
	if err != nil {
		return Measurement{}, err
	}
	number, ok := values[g.number].(float64)
	if !ok {
		return Measurement{}, fmt.Errorf("the platform gave no %s", g.number)
	}
	return Measurement{values, number}, nil
}

func (gauge) Close() {}
