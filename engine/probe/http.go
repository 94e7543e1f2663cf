package probe

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"gameday/runbook"
)

// httpProbe asks a URL. It follows redirects only to where it was sent in the first place.
type httpProbe struct {
	request runbook.HTTP
	client  http.Client
}

func newHTTP(params any, _ Tools) (Probe, error) {
	p := &httpProbe{request: params.(*runbook.HTTPProbe).HTTP}
	if _, err := http.NewRequest(cmp.Or(p.request.Method, http.MethodGet), p.request.URL, nil); err != nil {
		return nil, fmt.Errorf("this is not a request that can be sent: %w", err)
	}
	p.client = http.Client{Transport: &http.Transport{MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second}, CheckRedirect: sameHost}
	return p, nil
}

func sameHost(next *http.Request, before []*http.Request) error {
	if next.URL.Host != before[0].URL.Host {
		return fmt.Errorf("it redirects to another host, %s, which a probe does not follow", next.URL.Host)
	}
	if len(before) > 5 {
		return fmt.Errorf("it redirects in circles")
	}
	return nil
}

func (p *httpProbe) Measure(ctx context.Context) (Measurement, error) {
	req, err := http.NewRequestWithContext(ctx, cmp.Or(p.request.Method, http.MethodGet), p.request.URL, strings.NewReader(p.request.Body))
	if err != nil {
		return Measurement{}, err
	}
	for name, value := range p.request.Headers {
		req.Header.Set(name, value)
	}
	begun := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		return Measurement{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return Measurement{}, err
	}
	latency := time.Since(begun)
	return Measurement{map[string]any{
		"status": float64(resp.StatusCode), "latency": latency, "body": string(body),
		"json": func(path string) any { return gjson.GetBytes(body, path).Value() },
	}, milliseconds(latency)}, nil
}

func (p *httpProbe) Close() { p.client.CloseIdleConnections() }
