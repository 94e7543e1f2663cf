package probe

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"gameday/runbook"
)

// metricsProbe scrapes a page in the Prometheus text format and adds up the series that the query names.
type metricsProbe struct {
	url    string
	name   string
	labels map[string]string
	client http.Client
}

func newMetrics(params any, _ Tools) (Probe, error) {
	p := params.(*runbook.MetricsProbe)
	// A metric with labels is written as a line of the format itself, but for its value.
	families, err := parseMetrics(strings.NewReader(p.Query + " 0\n"))
	if err != nil || len(families) != 1 {
		return nil, fmt.Errorf("query: %q is not a metric's name with labels, such as requests_total{code=\"200\"}", p.Query)
	}
	probe := &metricsProbe{url: p.URL, labels: map[string]string{}, client: http.Client{CheckRedirect: sameHost}}
	for name, family := range families {
		probe.name = name
		for _, l := range family.Metric[0].Label {
			probe.labels[l.GetName()] = l.GetValue()
		}
	}
	return probe, nil
}

func parseMetrics(r io.Reader) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(r)
}

func (p *metricsProbe) Measure(ctx context.Context) (Measurement, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return Measurement{}, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return Measurement{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return Measurement{}, fmt.Errorf("the metrics page answers %s", resp.Status)
	}
	families, err := parseMetrics(io.LimitReader(resp.Body, 16*maxBody))
	if err != nil {
		return Measurement{}, err
	}
	sum, found := 0.0, false
	for _, m := range p.series(families) {
		found, sum = true, sum+m
	}
	if !found {
		return Measurement{}, fmt.Errorf("the metrics page has no %s", p.name)
	}
	return Measurement{map[string]any{"value": sum}, sum}, nil
}

// series finds the values of the named metric; of histograms and summaries, NAME_count and NAME_sum.
func (p *metricsProbe) series(families map[string]*dto.MetricFamily) []float64 {
	value := func(m *dto.Metric) float64 {
		switch {
		case m.Counter != nil:
			return m.Counter.GetValue()
		case m.Gauge != nil:
			return m.Gauge.GetValue()
		default:
			return m.Untyped.GetValue()
		}
	}
	family := families[p.name]
	if base, ok := strings.CutSuffix(p.name, "_count"); ok && family == nil {
		family = families[base]
		value = func(m *dto.Metric) float64 {
			return float64(m.GetHistogram().GetSampleCount() + m.GetSummary().GetSampleCount())
		}
	} else if base, ok := strings.CutSuffix(p.name, "_sum"); ok && family == nil {
		family = families[base]
		value = func(m *dto.Metric) float64 { return m.GetHistogram().GetSampleSum() + m.GetSummary().GetSampleSum() }
	}
	var all []float64
	for _, m := range family.GetMetric() {
		have := map[string]string{}
		for _, l := range m.Label {
			have[l.GetName()] = l.GetValue()
		}
		fits := true
		for name, want := range p.labels {
			fits = fits && have[name] == want
		}
		if fits {
			all = append(all, value(m))
		}
	}
	return all
}

func (p *metricsProbe) Close() { p.client.CloseIdleConnections() }

// prometheusProbe asks a Prometheus server. A query with several series counts as their sum.
type prometheusProbe struct {
	api   prometheus.API
	query string
}

func newPrometheus(params any, _ Tools) (Probe, error) {
	p := params.(*runbook.PrometheusProbe)
	client, err := api.NewClient(api.Config{Address: p.URL})
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	return &prometheusProbe{prometheus.NewAPI(client), p.Query}, nil
}

func (p *prometheusProbe) Measure(ctx context.Context) (Measurement, error) {
	answer, _, _, err := p.api.Query(ctx, p.query, time.Now())
	if err != nil {
		return Measurement{}, err
	}
	sum := 0.0
	switch v := answer.(type) {
	case *model.Scalar:
		sum = float64(v.Value)
	case model.Vector:
		if len(v) == 0 {
			return Measurement{}, fmt.Errorf("the query has no result: %s", p.query)
		}
		for _, s := range v {
			sum += float64(s.Value)
		}
	default:
		return Measurement{}, fmt.Errorf("the query gives a %s; one with an instant value is needed", answer.Type())
	}
	return Measurement{map[string]any{"value": sum}, sum}, nil
}

func (*prometheusProbe) Close() {}
