package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Settings reads and changes the live settings of a target that has the bundled orchestrator's /v1/settings.
type Settings struct {
	url  string
	http http.Client
}

// NewSettings talks to the API that a target's environment names (API_URL, API_ADDRS).
func NewSettings(env map[string]string) *Settings {
	return &Settings{url: strings.TrimSuffix(env["API_URL"], "/"), http: http.Client{Timeout: 5 * time.Second, Transport: apiTransport(env)}}
}

// SettingsState is what is in force.
type SettingsState struct {
	Profile  string                       `json:"profile"`
	Settings map[string]string            `json:"settings"`
	Docs     map[string]string            `json:"docs"`
	Profiles map[string]map[string]string `json:"profiles"`
}

// Change asks for other settings: a whole profile, single values, or both.
type Change struct {
	Profile string            `json:"profile,omitempty"`
	Values  map[string]string `json:"settings,omitempty"`
	By      string            `json:"by"`
	Why     string            `json:"why"`
}

// Changed is one setting that took another value.
type Changed struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// everywhere is how long a change may take until every process has picked it up.
const everywhere = time.Second

// Get reads what is in force.
func (s *Settings) Get(ctx context.Context) (SettingsState, error) {
	var state SettingsState
	return state, s.call(ctx, http.MethodGet, "/v1/settings", nil, &state)
}

// Apply puts a change in force and returns what changed, once every process has picked it up.
func (s *Settings) Apply(ctx context.Context, c Change) ([]Changed, error) {
	var answer struct {
		Changes []Changed `json:"changes"`
	}
	if err := s.call(ctx, http.MethodPut, "/v1/settings", c, &answer); err != nil {
		return nil, err
	}
	if len(answer.Changes) > 0 {
		select {
		case <-ctx.Done():
			return answer.Changes, ctx.Err()
		case <-time.After(everywhere):
		}
	}
	return answer.Changes, nil
}

// Withdraw cancels the running workflows whose keys start with prefix: what a load of ours left behind.
func (s *Settings) Withdraw(ctx context.Context, prefix string) error {
	return s.call(ctx, http.MethodPost, "/v1/cancel", map[string]string{"key_prefix": prefix}, nil)
}

func (s *Settings) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("the target's API does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		var refusal struct{ Error string }
		if json.Unmarshal(data, &refusal) == nil && refusal.Error != "" {
			return errors.New("the target's API refuses: " + refusal.Error)
		}
		return fmt.Errorf("the target's API answers %s", resp.Status)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}
