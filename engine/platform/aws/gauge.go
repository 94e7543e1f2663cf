package aws

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	balancing "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"

	"gameday/engine/platform"
)

var gauges = map[string]func(*Platform, context.Context, platform.Gauge) (map[string]any, error){
	"cloudwatch": (*Platform).cloudWatch, "ecs": (*Platform).ecsService, "targets": (*Platform).targetHealth, "events": (*Platform).events,
}

// Gauge measures what only AWS can tell.
func (p *Platform) Gauge(ctx context.Context, g platform.Gauge) (map[string]any, error) {
	measure, ok := gauges[g.Kind]
	if !ok {
		return nil, fmt.Errorf("AWS does not tell %q", g.Kind)
	}
	values, err := measure(p, ctx, g)
	return values, explain(err)
}

// Alarms gives the state of each alarm.
func (p *Platform) Alarms(ctx context.Context, names []string) (map[string]string, error) {
	states := map[string]string{}
	for some := range slices.Chunk(names, 100) {
		out, err := p.cloudwatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: some, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}})
		if err != nil {
			return nil, explain(err)
		}
		for _, a := range out.MetricAlarms {
			states[aws.ToString(a.AlarmName)] = string(a.StateValue)
		}
		for _, a := range out.CompositeAlarms {
			states[aws.ToString(a.AlarmName)] = string(a.StateValue)
		}
	}
	for _, name := range names {
		if states[name] == "" {
			return nil, fmt.Errorf("there is no CloudWatch alarm %q in %s of the account %s", name, p.target.Region, p.target.Account)
		}
	}
	return states, nil
}

func (p *Platform) cloudWatch(ctx context.Context, g platform.Gauge) (map[string]any, error) {
	if name := g.With["alarm"]; name != "" {
		states, err := p.Alarms(ctx, []string{name})
		if err != nil {
			return nil, err
		}
		value := 0.0
		if states[name] == string(types.StateValueAlarm) {
			value = 1
		}
		return map[string]any{"value": value, "state": states[name]}, nil
	}
	value, err := p.metric(ctx, g)
	return map[string]any{"value": value, "state": ""}, err
}

// periodsBack is how many periods back a value may lie: CloudWatch has it a while after the period ended.
const periodsBack = 5

// metric gives the newest value of a statistic.
func (p *Platform) metric(ctx context.Context, g platform.Gauge) (float64, error) {
	period, err := strconv.Atoi(g.With["period"])
	if err != nil || period == 0 {
		period = 60
	}
	metric := &types.Metric{Namespace: aws.String(g.With["namespace"]), MetricName: aws.String(g.With["metric"])}
	for name, value := range g.Tags {
		metric.Dimensions = append(metric.Dimensions, types.Dimension{Name: &name, Value: &value})
	}
	stat := g.With["stat"]
	if stat == "" {
		stat = "Average"
	}
	now := time.Now()
	out, err := p.cloudwatch.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(now.Add(-time.Duration(periodsBack*period) * time.Second)), EndTime: &now, ScanBy: types.ScanByTimestampDescending,
		MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("m"), MetricStat: &types.MetricStat{Metric: metric, Period: aws.Int32(int32(period)), Stat: &stat}}},
	})
	if err != nil {
		return 0, err
	}
	if len(out.MetricDataResults) > 0 && len(out.MetricDataResults[0].Values) > 0 {
		return out.MetricDataResults[0].Values[0], nil
	}
	if g.With["missing"] == "" {
		return 0, fmt.Errorf("CloudWatch has no data of %s %s for the last %d periods; if none means something, say missing: VALUE", g.With["namespace"], g.With["metric"], periodsBack)
	}
	return strconv.ParseFloat(g.With["missing"], 64)
}

func (p *Platform) ecsService(ctx context.Context, g platform.Gauge) (map[string]any, error) {
	cluster, err := p.clusterOf(ctx, g.With["service"], g.With["cluster"])
	if err != nil {
		return nil, err
	}
	s, err := p.serviceNow(ctx, cluster, g.With["service"])
	if err != nil {
		return nil, err
	}
	failed, rollout := int32(0), ""
	for _, d := range s.Deployments {
		failed += d.FailedTasks
		if aws.ToString(d.Status) == "PRIMARY" {
			rollout = string(d.RolloutState)
		}
	}
	return map[string]any{
		"running": float64(s.RunningCount), "desired": float64(s.DesiredCount), "pending": float64(s.PendingCount),
		"deployments": float64(len(s.Deployments)), "failed": float64(failed), "rollout": rollout,
	}, nil
}

func (p *Platform) targetHealth(ctx context.Context, g platform.Gauge) (map[string]any, error) {
	arn, err := p.groupARN(ctx, g.With["group"])
	if err != nil {
		return nil, err
	}
	all, err := p.health(ctx, arn)
	if err != nil {
		return nil, err
	}
	counts := map[balancing.TargetHealthStateEnum]int{}
	for _, h := range all {
		if h.TargetHealth != nil {
			counts[h.TargetHealth.State]++
		}
	}
	return map[string]any{
		"healthy": float64(counts[balancing.TargetHealthStateEnumHealthy]), "unhealthy": float64(counts[balancing.TargetHealthStateEnumUnhealthy]),
		"draining": float64(counts[balancing.TargetHealthStateEnumDraining]), "total": float64(len(all)),
	}, nil
}

func (p *Platform) events(ctx context.Context, g platform.Gauge) (map[string]any, error) {
	since, err := time.Parse(time.RFC3339, g.With["since"])
	if err != nil {
		return nil, err
	}
	match, err := regexp.Compile(g.With["match"])
	if err != nil {
		return nil, err
	}
	var messages []string
	if id := g.With["elasticache"]; id != "" {
		messages, err = p.cacheEvents(ctx, id, since)
	} else {
		messages, err = p.anyDatabaseEvents(ctx, g.With["rds"], since)
	}
	if err != nil {
		return nil, err
	}
	messages = slices.DeleteFunc(messages, func(m string) bool { return !match.MatchString(m) })
	last := ""
	if len(messages) > 0 {
		last = messages[len(messages)-1]
	}
	return map[string]any{"count": float64(len(messages)), "last": last}, nil
}

// anyDatabaseEvents asks about an instance of that name, and about a cluster where there is none.
func (p *Platform) anyDatabaseEvents(ctx context.Context, id string, since time.Time) ([]string, error) {
	_, err := p.databaseNow(ctx, id)
	var none *rdstypes.DBInstanceNotFoundFault
	if errors.As(err, &none) || errors.Is(err, errNone) {
		return p.databaseEvents(ctx, id, rdstypes.SourceTypeDbCluster, since)
	}
	if err != nil {
		return nil, err
	}
	return p.databaseEvents(ctx, id, rdstypes.SourceTypeDbInstance, since)
}
