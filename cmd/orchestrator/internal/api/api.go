// Package api is the orchestrator's HTTP door.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"gameday/cmd/orchestrator/internal/queue"
	"gameday/cmd/orchestrator/internal/settings"
	"gameday/cmd/orchestrator/internal/store"
	"gameday/cmd/orchestrator/internal/telemetry"
	"gameday/cmd/orchestrator/internal/workflow"
)

// maxBody bounds one request.
const maxBody = 1 << 20

// API answers requests.
type API struct {
	name     string
	store    *store.Store
	queue    *queue.Queue
	settings atomic.Pointer[settings.Settings]
	batch    *batcher
}

// New makes an API; name tells it apart from its twins.
func New(name string, s *store.Store, q *queue.Queue, set settings.Settings) *API {
	a := &API{name: name, store: s, queue: q, batch: newBatcher(s)}
	a.settings.Store(&set)
	return a
}

// Use puts settings in force.
func (a *API) Use(set settings.Settings) { a.settings.Store(&set) }

// Ready reports what keeps the API from its work.
func (a *API) Ready(ctx context.Context) error {
	if err := a.store.Ping(ctx); err != nil {
		return fmt.Errorf("PostgreSQL does not answer: %w", err)
	}
	if err := a.queue.Ping(ctx); err != nil {
		return fmt.Errorf("the cache does not answer: %w", err)
	}
	return nil
}

// Handler serves the API beside metrics and health.
func (a *API) Handler() http.Handler {
	mux := telemetry.Mux(a.Ready)
	for pattern, handle := range map[string]func(*http.Request) (int, any, error){
		"POST /v1/workflows":             a.submit,
		"GET /v1/workflows/{id}":         a.get,
		"POST /v1/workflows/{id}/cancel": a.cancel,
		"POST /v1/cancel":                a.cancelByKey,
		"GET /v1/settings":               a.getSettings,
		"PUT /v1/settings":               a.putSettings,
		"GET /v1/settings/history":       a.history,
	} {
		mux.HandleFunc(pattern, a.answer(pattern, handle))
	}
	mux.HandleFunc("GET /v1/events", a.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("there is nothing at %s %s", r.Method, r.URL.Path)})
	})
	return mux
}

// refusal is a mistake of the caller's, told in a sentence.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

func (a *API) answer(route string, handle func(*http.Request) (int, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		w.Header().Set("Served-By", a.name)
		status, body, err := handle(r)
		var no *refusal
		var unusable *store.Unusable
		switch {
		case err == nil:
		case errors.As(err, &no):
			status, body = no.status, map[string]string{"error": no.reason}
		case errors.As(err, &unusable):
			status, body = http.StatusUnprocessableEntity, map[string]string{"error": unusable.Error()}
		case errors.Is(err, store.ErrUnknown):
			status, body = http.StatusNotFound, map[string]string{"error": err.Error()}
		case errors.Is(err, store.ErrKeyTaken):
			status, body = http.StatusConflict, map[string]string{"error": err.Error()}
		default:
			status, body = http.StatusServiceUnavailable, map[string]string{"error": "try again: " + err.Error()}
		}
		reply(w, status, body)
		telemetry.Requests.WithLabelValues(route, strconv.Itoa(status)).Observe(time.Since(started).Seconds())
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// read decodes one JSON object strictly.
func read(r *http.Request, into any) error {
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "the body could not be read: %v", err)
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "the body is not what is expected here: %v", err)
	}
	if d.More() {
		return refuse(http.StatusBadRequest, "the body holds more than one JSON object")
	}
	return nil
}

func pathID(r *http.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return id, refuse(http.StatusBadRequest, "%q is not a workflow's id (a UUID)", r.PathValue("id"))
	}
	return id, nil
}

type submission struct {
	Name   string          `json:"name"`
	Key    string          `json:"key"`
	Sample string          `json:"sample"`
	Steps  []workflow.Step `json:"steps"`
}

func (a *API) submit(r *http.Request) (int, any, error) {
	var in submission
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		key = in.Key
	} else if in.Key != "" && in.Key != key {
		return 0, nil, refuse(http.StatusBadRequest, "the Idempotency-Key header and the body's key differ")
	}
	if len(key) > 200 {
		return 0, nil, refuse(http.StatusBadRequest, "an idempotency key has at most 200 bytes, this one has %d", len(key))
	}
	spec := workflow.Spec{Name: in.Name, Steps: in.Steps}
	if in.Sample != "" {
		sample, ok := workflow.Sample(in.Sample)
		if !ok || len(in.Steps) > 0 {
			return 0, nil, refuse(http.StatusUnprocessableEntity, "sample: name one of %s, and no steps beside it", strings.Join(workflow.SampleNames(), ", "))
		}
		if spec = sample; in.Name != "" {
			spec.Name = in.Name
		}
	}
	if err := spec.Check(); err != nil {
		telemetry.Submitted.WithLabelValues("refused").Inc()
		return 0, nil, refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return 0, nil, err
	}
	accepted, err := a.batch.submit(r.Context(), store.Submission{ID: id, Key: key, Spec: spec})
	if err == nil {
		err = accepted.Err
	}
	if err != nil {
		telemetry.Submitted.WithLabelValues("failed").Inc()
		return 0, nil, err
	}
	if err := a.queue.Push(r.Context(), accepted.Ready); err != nil {
		telemetry.CacheErrors.Inc()
		if a.settings.Load().ReaperEvery <= 0 {
			telemetry.Submitted.WithLabelValues("failed").Inc()
			return 0, nil, fmt.Errorf("workflow %s is stored but could not be queued: %w", accepted.ID, err)
		}
		// It is durable, and the reaper brings it into the queue.
	}
	status := http.StatusCreated
	if accepted.Known {
		status = http.StatusOK
	}
	telemetry.Submitted.WithLabelValues("accepted").Inc()
	return status, map[string]any{"id": accepted.ID, "key": key}, nil
}

func (a *API) get(r *http.Request) (int, any, error) {
	id, err := pathID(r)
	if err != nil {
		return 0, nil, err
	}
	w, err := a.store.Workflow(r.Context(), id)
	return http.StatusOK, w, err
}

func (a *API) cancel(r *http.Request) (int, any, error) {
	id, err := pathID(r)
	if err != nil {
		return 0, nil, err
	}
	state, err := a.store.Cancel(r.Context(), id)
	return http.StatusOK, map[string]any{"id": id, "state": state}, err
}

// cancelByKey withdraws everything that one submitter left, by the prefix of its keys.
func (a *API) cancelByKey(r *http.Request) (int, any, error) {
	var in struct {
		Prefix string `json:"key_prefix"`
	}
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if len(in.Prefix) < 3 {
		return 0, nil, refuse(http.StatusUnprocessableEntity, "key_prefix needs at least 3 characters")
	}
	n, err := a.store.CancelByKey(r.Context(), in.Prefix)
	return http.StatusOK, map[string]int{"cancelled": n}, err
}

func (a *API) getSettings(r *http.Request) (int, any, error) {
	set, _, err := a.store.Settings(r.Context())
	profiles := map[string]map[string]string{}
	for name, p := range settings.Profiles {
		profiles[name] = p.Map()
	}
	return http.StatusOK, map[string]any{"profile": set.Profile(), "settings": set.Map(), "docs": settings.Docs(), "profiles": profiles}, err
}

func (a *API) putSettings(r *http.Request) (int, any, error) {
	var in struct {
		Profile  string            `json:"profile"`
		Settings map[string]string `json:"settings"`
		By       string            `json:"by"`
		Why      string            `json:"why"`
	}
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	values := map[string]string{}
	if in.Profile != "" {
		p, ok := settings.Profiles[in.Profile]
		if !ok {
			return 0, nil, refuse(http.StatusUnprocessableEntity, "there is no profile %q (there are: naive, resilient)", in.Profile)
		}
		values = p.Map()
		delete(values, "failures.webhook")
	}
	for name, value := range in.Settings {
		values[name] = value
	}
	if len(values) == 0 {
		return 0, nil, refuse(http.StatusUnprocessableEntity, `give a "profile" or "settings" to put in force`)
	}
	set, changes, err := a.store.ChangeSettings(r.Context(), values, in.By, in.Why)
	if changes == nil {
		changes = []settings.Change{}
	}
	return http.StatusOK, map[string]any{"profile": set.Profile(), "settings": set.Map(), "changes": changes}, err
}

func (a *API) history(r *http.Request) (int, any, error) {
	list, err := a.store.SettingsHistory(r.Context(), 200)
	return http.StatusOK, list, err
}
