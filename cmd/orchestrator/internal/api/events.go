package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"gameday/cmd/orchestrator/internal/store"
)

const (
	writeTimeout = 10 * time.Second
	eventsEvery  = 250 * time.Millisecond
	eventsAtOnce = 1000
)

// events streams ended workflows and announcements (failures, changed settings) as server-sent events.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	stream := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	send := func(kind string, body []byte) bool {
		_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, body)
		return err == nil && stream.Flush() == nil
	}
	announced := make(chan string, 64)
	go func() {
		_ = a.store.Listen(ctx, func(payload string) {
			select {
			case announced <- payload:
			case <-ctx.Done():
			}
		})
	}()
	if !send("hello", []byte(`{}`)) {
		return
	}
	since := time.Now()
	seen := map[string]bool{}
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case payload := <-announced:
			if !send("announcement", []byte(payload)) {
				return
			}
		case <-tick.C:
			// A transaction stamps its rows with its start and shows them at its end, so the window overlaps.
			ended, err := a.store.Finished(ctx, since.Add(-2*time.Second), eventsAtOnce)
			if err != nil {
				continue
			}
			fresh := map[string]bool{}
			for _, one := range ended {
				id := one.ID.String()
				fresh[id] = true
				if !seen[id] && !sendWorkflow(send, one) {
					return
				}
				since = later(since, *one.FinishedAt)
			}
			seen = fresh
		}
	}
}

func sendWorkflow(send func(string, []byte) bool, w store.Workflow) bool {
	body, err := json.Marshal(w)
	return err == nil && send("workflow."+w.State, body)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
