// Package telemetry holds what every process of the orchestrator serves beside its work: metrics and health.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds all metrics below.
var Registry = func() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}()

var (
	in      = promauto.With(Registry)
	seconds = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}

	// Submitted counts workflows that the API was asked to take, by what came of it.
	Submitted = in.NewCounterVec(prometheus.CounterOpts{Name: "orchestrator_workflows_submitted_total", Help: "Workflows submitted, by outcome."}, []string{"outcome"})
	// Requests times the API's answers.
	Requests = in.NewHistogramVec(prometheus.HistogramOpts{Name: "orchestrator_http_request_seconds", Help: "Time to answer a request.", Buckets: seconds}, []string{"route", "code"})
	// Tasks counts attempts that ended, by how.
	Tasks = in.NewCounterVec(prometheus.CounterOpts{Name: "orchestrator_attempts_total", Help: "Attempts ended, by outcome."}, []string{"outcome"})
	// Waited times how long tasks were ready before they started.
	Waited = in.NewHistogram(prometheus.HistogramOpts{Name: "orchestrator_task_wait_seconds", Help: "Time from ready to started.", Buckets: seconds})
	// CacheErrors counts cache commands that failed after their retries.
	CacheErrors = in.NewCounter(prometheus.CounterOpts{Name: "orchestrator_cache_errors_total", Help: "Cache commands that failed after their retries."})
	// Reaped counts what the reaper put right.
	Reaped = in.NewCounterVec(prometheus.CounterOpts{Name: "orchestrator_reaped_total", Help: "What the reaper put right, by kind."}, []string{"kind"})
	// Leading is 1 in the scheduler that leads.
	Leading = in.NewGauge(prometheus.GaugeOpts{Name: "orchestrator_scheduler_leading", Help: "1 while this scheduler leads."})
)

// Mux serves /metrics, /healthz (the process runs) and /readyz (ready says it can do its work now).
func Mux(ready func(context.Context) error) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	return mux
}

// Serve answers on all listeners until ctx ends, then lets requests under way finish within patience.
func Serve(ctx context.Context, handler http.Handler, patience time.Duration, listeners ...net.Listener) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(l) }()
	}
	select {
	case err := <-failed:
		_ = server.Close()
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := server.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}
