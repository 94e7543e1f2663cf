package runbook

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Probe measures something, again and again, and says what it must be.
type Probe struct {
	Name   string     `key:"name,required" doc:"what is fine, in words"`
	Probe  ProbeSpec  `key:"probe,required" doc:"what is measured"`
	Expect Expression `key:"expect,required" doc:"condition over what the probe measures"`
	Every  Duration   `key:"every" doc:"how often it is measured (default 250ms)"`
	Over   Duration   `key:"over" doc:"the window that it must hold over (default 1s)"`
}

// ProbeSpec is a probe of one kind; Params points to that kind's parameters.
type ProbeSpec struct {
	Kind   string
	Params any
}

// HTTP is a request.
type HTTP struct {
	URL     string            `key:"url,required" doc:"where to"`
	Method  string            `key:"method" doc:"GET unless it says otherwise"`
	Headers map[string]string `key:"headers" doc:"headers to send"`
	Body    string            `key:"body" doc:"body to send"`
}

// The parameters of each kind of probe. The key named like the kind is the probe's subject.
type (
	HTTPProbe struct {
		HTTP HTTP `key:"http,required" doc:"a URL, or url with method, headers and body"`
	}
	TCPProbe struct {
		Addr string `key:"tcp,required" doc:"host:port"`
	}
	DNSProbe struct {
		Name string `key:"dns,required" doc:"a name"`
	}
	SQLProbe struct {
		Query string `key:"sql,required" doc:"a query; value is the first column of its first row"`
		DSN   string `key:"dsn,required" doc:"the database, such as ${POSTGRES_DSN}"`
	}
	RedisProbe struct {
		Command string `key:"redis,required" doc:"a command with its arguments"`
		Addr    string `key:"addr,required" doc:"host:port, such as ${CACHE_ADDRS} (the first is asked)"`
	}
	MetricsProbe struct {
		URL   string `key:"metrics,required" doc:"where metrics are scraped"`
		Query string `key:"query,required" doc:"a metric's name, with labels if needed"`
	}
	PrometheusProbe struct {
		URL   string `key:"prometheus,required" doc:"a Prometheus server"`
		Query string `key:"query,required" doc:"PromQL"`
	}
	ExecProbe struct {
		Argv []string `key:"exec,required" doc:"a program with its arguments; no shell"`
	}
	UnitsProbe struct {
		Units UnitsOf `key:"units,required" doc:"which units"`
	}
	LogProbe struct {
		Log LogOf `key:"log,required" doc:"which lines"`
	}
	CloudWatchProbe struct {
		CloudWatch CloudWatchOf `key:"cloudwatch,required" doc:"a metric, or an alarm"`
	}
	ECSProbe struct {
		ECS ECSOf `key:"ecs,required" doc:"which service"`
	}
	TargetsProbe struct {
		Targets TargetsOf `key:"targets,required" doc:"which target group"`
	}
	EventsProbe struct {
		Events EventsOf `key:"events,required" doc:"whose events"`
	}
	LoadProbe struct {
		Measure string `key:"load,required" doc:"what of the load" oneof:"success_rate,error_rate,p50,p99,rate"`
	}
)

// UnitsOf names a service's units.
type UnitsOf struct {
	Service string `key:"service,required" doc:"the service"`
}

// CloudWatchOf names an alarm, or a metric with the statistic that is read of it.
type CloudWatchOf struct {
	Alarm      string            `key:"alarm" doc:"an alarm by its name; value is 1 while it is in alarm"`
	Namespace  string            `key:"namespace" doc:"of the metric, such as AWS/ApplicationELB"`
	Metric     string            `key:"metric" doc:"the metric's name"`
	Dimensions map[string]string `key:"dimensions" doc:"the metric's dimensions"`
	Stat       string            `key:"stat" doc:"statistic, such as Sum, Average or p99 (default Average)"`
	Period     Duration          `key:"period" doc:"of the statistic (default 1m)"`
	Missing    string            `key:"missing" doc:"the value that no data stands for; without it no data is an error"`
}

// ECSOf names an ECS service.
type ECSOf struct {
	Service string `key:"service,required" doc:"the service"`
	Cluster string `key:"cluster" doc:"its cluster, where the target has several"`
}

// TargetsOf names a load balancer's target group.
type TargetsOf struct {
	Group string `key:"group,required" doc:"the target group's name"`
}

// EventsOf names what RDS or ElastiCache tell of.
type EventsOf struct {
	RDS         string `key:"rds" doc:"a database instance or cluster"`
	ElastiCache string `key:"elasticache" doc:"a replication group or cache cluster"`
	Match       string `key:"match" doc:"regular expression that the message fits"`
}

// LogOf names lines in a service's logs.
type LogOf struct {
	Service string `key:"service,required" doc:"the service"`
	Match   string `key:"match,required" doc:"regular expression"`
}

// probeKind is one row of the table of probes: its parameters and the names that an expectation may use, with a value
// of each name's type.
type probeKind struct {
	params any
	names  map[string]any
}

var (
	number   float64
	text     string
	anything = anyType{}
	span     time.Duration
)

var probeKinds = map[string]probeKind{
	"http":       {HTTPProbe{}, map[string]any{"status": number, "latency": span, "body": text, "json": func(string) any { return nil }}},
	"tcp":        {TCPProbe{}, map[string]any{"open": true, "latency": span}},
	"dns":        {DNSProbe{}, map[string]any{"addresses": number, "latency": span}},
	"sql":        {SQLProbe{}, map[string]any{"value": anything, "rows": number}},
	"redis":      {RedisProbe{}, nil}, // value, and any field of INFO and ROLE
	"metrics":    {MetricsProbe{}, map[string]any{"value": number}},
	"prometheus": {PrometheusProbe{}, map[string]any{"value": number}},
	"exec":       {ExecProbe{}, map[string]any{"exit": number, "stdout": text, "value": number}},
	"units":      {UnitsProbe{}, map[string]any{"running": number, "total": number, "restarts": number}},
	"log":        {LogProbe{}, map[string]any{"rate": number, "count": number}},
	"cloudwatch": {CloudWatchProbe{}, map[string]any{"value": number, "state": text}},
	"ecs":        {ECSProbe{}, map[string]any{"running": number, "desired": number, "pending": number, "deployments": number, "failed": number, "rollout": text}},
	"targets":    {TargetsProbe{}, map[string]any{"healthy": number, "unhealthy": number, "draining": number, "total": number}},
	"events":     {EventsProbe{}, map[string]any{"count": number, "last": text}},
	"load":       {LoadProbe{}, map[string]any{"value": anything}},
}

type anyType struct{}

// remote are the kinds of probes that ask a provider's API, which counts and charges every question: how often they are
// measured, and over what window, where the runbook does not say.
var remote = map[string][2]Duration{
	"cloudwatch": {10_000_000_000, 30_000_000_000}, "ecs": {2_000_000_000, 6_000_000_000}, "targets": {2_000_000_000, 6_000_000_000}, "events": {5_000_000_000, 15_000_000_000},
}

// ProbeKinds lists every kind of probe.
func ProbeKinds() []string { return sortedKeys(probeKinds) }

func (p *ProbeSpec) decode(d *decoder, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "here belongs a probe such as {units: {service: worker}}, not %s", describe(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if _, ok := probeKinds[n.Content[i].Value]; ok {
			p.Kind = n.Content[i].Value
			break
		}
	}
	if p.Kind == "" {
		at, got := n, ""
		if len(n.Content) > 0 {
			at, got = n.Content[0], n.Content[0].Value
		}
		d.wrong(at, "there is no kind of probe %q%s", got, suggest(got, ProbeKinds()))
		return
	}
	params := reflect.New(reflect.TypeOf(probeKinds[p.Kind].params))
	d.fields(n, params.Elem())
	p.Params = params.Interface()
}

func (h *HTTP) decode(d *decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		h.URL = strings.TrimSpace(n.Value)
		return
	}
	d.fields(n, reflect.ValueOf(h).Elem())
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
