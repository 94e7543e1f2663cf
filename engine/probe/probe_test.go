package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gameday/engine/secret"
	"gameday/runbook"
)

// measure makes a probe as a runbook writes it, and measures once.
func measure(t *testing.T, yaml string, tools Tools) (Measurement, error) {
	t.Helper()
	rb, err := runbook.Parse("x", []byte("gameday: v1\ntitle: t\ntarget: {platform: local}\nsteady_state: [{name: p, expect: 'true', probe: "+yaml+"}]\nexperiments: [{name: e, hypothesis: h, inject: [{fault: none}]}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	tools.Values = secret.New(map[string]string{"TOKEN": "s3cret"})
	p, err := New(rb.SteadyState[0].Probe, tools)
	if err != nil {
		return Measurement{}, err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return p.Measure(ctx)
}

func TestHTTPMeasuresAndStaysWhereItWasSent(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the probe went elsewhere") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		case "/hangs":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = fmt.Fprintf(w, `{"a":{"b":7},"auth":%q}`, r.Header.Get("Authorization"))
		}
	}))
	defer server.Close()
	m, err := measure(t, `{http: {url: "`+server.URL+`/x", headers: {Authorization: "Bearer ${TOKEN}"}}}`, Tools{})
	if err != nil {
		t.Fatal(err)
	}
	json := m.Values["json"].(func(string) any)
	if m.Values["status"] != 418.0 || json("a.b") != 7.0 || json("auth") != "Bearer s3cret" || m.Values["latency"].(time.Duration) <= 0 {
		t.Errorf("%+v", m.Values)
	}
	if _, err := measure(t, `{http: "`+server.URL+`/away"}`, Tools{}); err == nil || !strings.Contains(err.Error(), "another host") {
		t.Error("a redirect elsewhere:", err)
	}
	if m, err := measure(t, `{http: "`+server.URL+`/endless"}`, Tools{}); err != nil || len(m.Values["body"].(string)) > maxBody {
		t.Error("an endless body:", err)
	}
	if _, err := measure(t, `{http: "`+server.URL+`/hangs"}`, Tools{}); err == nil {
		t.Error("a probe that hangs came back with a measurement")
	}
}

func TestTCPTellsOpenFromClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := measure(t, `{tcp: "`+l.Addr().String()+`"}`, Tools{}); err != nil || m.Values["open"] != true {
		t.Error(m, err)
	}
	_ = l.Close()
	if m, err := measure(t, `{tcp: "`+l.Addr().String()+`"}`, Tools{}); err != nil || m.Values["open"] != false {
		t.Error(m, err)
	}
}

func TestDNSCountsAddressesAndNoneIsAMeasurement(t *testing.T) {
	if m, err := measure(t, `{dns: localhost}`, Tools{}); err != nil || m.Values["addresses"].(float64) < 1 {
		t.Error(m, err)
	}
}

func TestMetricsAddsUpTheSeriesThatAreNamed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "# TYPE req counter\nreq{code=\"200\",path=\"/a\"} 3\nreq{code=\"200\",path=\"/b\"} 4\nreq{code=\"500\",path=\"/a\"} 9\n# TYPE lat histogram\nlat_bucket{le=\"+Inf\"} 5\nlat_sum 2.5\nlat_count 5\n")
	}))
	defer server.Close()
	for query, want := range map[string]float64{`req{code=\"200\"}`: 7, `req{code=\"500\",path=\"/a\"}`: 9, `req`: 16, `lat_count`: 5, `lat_sum`: 2.5} {
		if m, err := measure(t, `{metrics: "`+server.URL+`", query: "`+query+`"}`, Tools{}); err != nil || m.Number != want {
			t.Errorf("%s: %v %v, want %v", query, m.Number, err, want)
		}
	}
	if _, err := measure(t, `{metrics: "`+server.URL+`", query: "none"}`, Tools{}); err == nil || !strings.Contains(err.Error(), "has no none") {
		t.Error(err)
	}
	if _, err := measure(t, `{metrics: "`+server.URL+`", query: "a b c {"}`, Tools{}); err == nil || !strings.Contains(err.Error(), "is not a metric") {
		t.Error(err)
	}
}

func TestExecRunsWithoutAShellAndEndsWithItsGroup(t *testing.T) {
	t.Setenv("GAMEDAY_CANARY", "leaks")
	if m, err := measure(t, `{exec: [printf, "%s", "4; exit 3"]}`, Tools{}); err != nil || m.Values["exit"] != 0.0 || m.Values["stdout"] != "4; exit 3" {
		t.Error(m, err)
	}
	if m, err := measure(t, `{exec: [sh, -c, "env; exit 3"]}`, Tools{}); err != nil || m.Values["exit"] != 3.0 || strings.Contains(m.Values["stdout"].(string), "leaks") {
		t.Error(m, err)
	}
	if m, err := measure(t, `{exec: [echo, "17"]}`, Tools{}); err != nil || m.Number != 17 {
		t.Error(m, err)
	}
	begun := time.Now()
	if _, err := measure(t, `{exec: [sh, -c, "sleep 60 & sleep 60"]}`, Tools{}); err == nil || !strings.Contains(err.Error(), "ended with all that it started") {
		t.Error(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Error("the group outlived its time:", took)
	}
	if _, err := measure(t, `{exec: [no-such-program-here]}`, Tools{}); err == nil {
		t.Error("a program that is not there ran")
	}
}

func TestUnusableParametersAreSaidAtOnce(t *testing.T) {
	for yaml, want := range map[string]string{
		`{tcp: "nowhere"}`:                            "host:port",
		`{sql: "SELECT 1", dsn: "::nonsense"}`:        "PostgreSQL connection string",
		`{redis: "", addr: "h:1"}`:                    "is not a command",
		`{http: "http://h:1/${NOBODY_SET_THIS}"}`:     "NOBODY_SET_THIS",
		`{http: {url: "http://h/", method: "G E T"}}`: "not a request that can be sent",
	} {
		if _, err := measure(t, yaml, Tools{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", yaml, err, want)
		}
	}
}
