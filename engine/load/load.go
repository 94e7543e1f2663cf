// Package load sends requests at a constant arrival rate, whether or not earlier ones were answered, and keeps a ledger
// of what was acknowledged.
package load

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const (
	patience   = 5 * time.Second // after which a request counts as failed
	bucketSpan = 100 * time.Millisecond
	kept       = 100 // buckets, so ten seconds of them: the longest window that Last is good for
	latencyMin = int64(1)
	latencyMax = int64(60_000_000) // microseconds
	digits     = 3
)

// Spec says what is sent.
type Spec struct {
	Rate   float64 // a second
	Method string
	URL    string
	Header http.Header
	Body   func(n uint64) []byte
	Ledger bool // answers name the work that they acknowledge

	Transport http.RoundTripper // nil: one of its own
}

// Entry is acknowledged work.
type Entry struct {
	ID string
	At time.Time
}

// Load is under way from Start to Stop.
type Load struct {
	spec     Spec
	attacker *vegeta.Attacker
	begun    time.Time
	done     chan struct{}
	sent     atomic.Uint64

	mu      sync.Mutex
	buckets []*bucket // newest last
	ok, bad int
	latency *hdrhistogram.Histogram // of everything
	ledger  []Entry
	reasons map[string]int
}

// bucket is what was answered in a tenth of a second, each latency as it was.
type bucket struct {
	from    time.Time
	ok, bad int
	latency []time.Duration
}

// Start begins to send.
func Start(spec Spec) *Load {
	options := []func(*vegeta.Attacker){vegeta.Timeout(patience), vegeta.KeepAlive(true), vegeta.MaxBody(64 << 10), vegeta.Redirects(vegeta.NoFollow), vegeta.Connections(1000)}
	if spec.Transport != nil {
		client := &http.Client{Timeout: patience, Transport: spec.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		options = []func(*vegeta.Attacker){vegeta.Client(client), vegeta.MaxBody(64 << 10)}
	}
	l := &Load{
		spec: spec, done: make(chan struct{}), latency: hdrhistogram.New(latencyMin, latencyMax, digits), reasons: map[string]int{},
		attacker: vegeta.NewAttacker(options...),
	}
	target := func(t *vegeta.Target) error {
		n := l.sent.Add(1)
		t.Method, t.URL, t.Header = cmp.Or(spec.Method, http.MethodGet), spec.URL, spec.Header
		if spec.Body != nil {
			t.Body = spec.Body(n)
		}
		return nil
	}
	pace := vegeta.Rate{Freq: int(spec.Rate*1000 + 0.5), Per: 1000 * time.Second}
	l.begun = time.Now()
	results := l.attacker.Attack(target, pace, 0, "load")
	go l.collect(results)
	return l
}

// Stop sends nothing more and returns once every answer, or the end of patience, is in.
func (l *Load) Stop() {
	l.attacker.Stop()
	<-l.done
}

func (l *Load) collect(results <-chan *vegeta.Result) {
	defer close(l.done)
	period := time.Duration(float64(time.Second) / l.spec.Rate)
	for r := range results {
		// Latency counts from when the request was due, not from when it could be sent.
		due := l.begun.Add(time.Duration(r.Seq) * period)
		latency := max(r.Latency, r.Timestamp.Add(r.Latency).Sub(due))
		l.record(r, latency)
	}
}

func (l *Load) record(r *vegeta.Result, latency time.Duration) {
	good := r.Error == "" && r.Code/100 == 2
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(r.Timestamp.Add(r.Latency))
	b.latency = append(b.latency, latency)
	_ = l.latency.RecordValue(min(max(latency.Microseconds(), latencyMin), latencyMax))
	if good {
		b.ok, l.ok = b.ok+1, l.ok+1
	} else {
		b.bad, l.bad = b.bad+1, l.bad+1
	}
	if !good {
		l.reasons[reason(r)]++
		return
	}
	if l.spec.Ledger {
		var ack struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(r.Body, &ack) == nil && ack.ID != "" {
			l.ledger = append(l.ledger, Entry{ack.ID, r.Timestamp.Add(r.Latency)})
		}
	}
}

func reason(r *vegeta.Result) string {
	if r.Code != 0 {
		return fmt.Sprintf("status %d", r.Code)
	}
	// The text names ports that change from one failure to the next; what went wrong is at its end.
	parts := strings.Split(r.Error, ": ")
	return parts[len(parts)-1]
}

// bucket needs mu.
func (l *Load) bucket(at time.Time) *bucket {
	from := at.Truncate(bucketSpan)
	for i := len(l.buckets) - 1; i >= 0; i-- {
		if l.buckets[i].from.Equal(from) {
			return l.buckets[i]
		}
		if l.buckets[i].from.Before(from) {
			break
		}
	}
	b := &bucket{from: from}
	l.buckets = append(l.buckets, b)
	slices.SortFunc(l.buckets, func(a, b *bucket) int { return a.from.Compare(b.from) })
	if len(l.buckets) > kept {
		l.buckets = l.buckets[len(l.buckets)-kept:]
	}
	return b
}

// Window is what was answered in a span of time.
type Window struct {
	OK, Bad       int
	P50, P99, Max time.Duration
	Rate          float64 // answers a second
}

// SuccessRate is the share of requests that succeeded; known is false where none was answered.
func (w Window) SuccessRate() (rate float64, known bool) {
	if w.OK+w.Bad == 0 {
		return 0, false
	}
	return float64(w.OK) / float64(w.OK+w.Bad), true
}

// Last looks at the last span of time, at most ten seconds. Its quantiles are exact: of all latencies in the window.
func (l *Load) Last(span time.Duration) Window {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := time.Now().Add(-span)
	var w Window
	var all []time.Duration
	for i := len(l.buckets) - 1; i >= 0 && !l.buckets[i].from.Before(since); i-- {
		b := l.buckets[i]
		w.OK, w.Bad = w.OK+b.ok, w.Bad+b.bad
		all = append(all, b.latency...)
	}
	if len(all) > 0 {
		slices.Sort(all)
		w.P50, w.P99, w.Max = quantile(all, .50), quantile(all, .99), all[len(all)-1]
	}
	w.Rate = float64(w.OK+w.Bad) / span.Seconds()
	return w
}

// quantile is the smallest of the sorted values that at least a share q of them does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// Totals is everything so far.
type Totals struct {
	Sent, OK, Bad int
	P50, P99, Max time.Duration
	Reasons       []string // why requests failed, the most frequent first
}

// Total sums up.
func (l *Load) Total() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	us := func(v int64) time.Duration { return time.Duration(v) * time.Microsecond }
	t := Totals{Sent: int(l.sent.Load()), OK: l.ok, Bad: l.bad}
	t.P50, t.P99, t.Max = us(l.latency.ValueAtQuantile(50)), us(l.latency.ValueAtQuantile(99)), us(l.latency.Max())
	reasons := slices.SortedFunc(maps.Keys(l.reasons), func(a, b string) int { return l.reasons[b] - l.reasons[a] })
	for _, r := range reasons[:min(5, len(reasons))] {
		t.Reasons = append(t.Reasons, fmt.Sprintf("%s (%d times)", r, l.reasons[r]))
	}
	return t
}

// Ledger lists what was acknowledged so far.
func (l *Load) Ledger() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ledger)
}
