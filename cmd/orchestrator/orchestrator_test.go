package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"gameday/engine/platform"
	"gameday/engine/platform/local"
	"gameday/engine/platform/local/localtest"
)

// The orchestrator is tested as anybody meets it: as processes, over its doors.
func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

// system is a running stack.
type system struct {
	*local.Stack
	t   *testing.T
	api string
}

func start(t *testing.T) *system {
	t.Helper()
	s := &system{Stack: localtest.BringUp(t, "orch"), t: t}
	env, err := s.Environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.api = env["API_URL"]
	return s
}

// ask sends a request and decodes a JSON answer.
func (s *system) ask(method, path, body string) (status int, answer map[string]any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.api+path, bytes.NewBufferString(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, _ := io.ReadAll(resp.Body)
	_ = json.Unmarshal(data, &answer)
	return resp.StatusCode, answer
}

// settle puts a profile in force with some settings changed, and waits until every process has them.
func (s *system) settle(profile string, values map[string]string) {
	s.t.Helper()
	body, _ := json.Marshal(map[string]any{"profile": profile, "settings": values, "by": "test", "why": s.t.Name()})
	if status, answer := s.ask("PUT", "/v1/settings", string(body)); status != http.StatusOK {
		s.t.Fatal(status, answer)
	}
	time.Sleep(time.Second) // the promise is within a second
}

func (s *system) submit(steps string) (id string) {
	s.t.Helper()
	status, answer := s.ask("POST", "/v1/workflows", `{"name":"t","steps":[`+steps+`]}`)
	if status != http.StatusCreated {
		s.t.Fatal(status, answer)
	}
	return answer["id"].(string)
}

type view struct {
	State string `json:"state"`
	Error string `json:"error"`
	Tasks []struct {
		Name    string `json:"name"`
		State   string `json:"state"`
		Attempt int    `json:"attempt"`
		Worker  string `json:"worker"`
		Error   string `json:"error"`
	} `json:"tasks"`
}

func (s *system) look(id string) (v view) {
	resp, err := http.Get(s.api + "/v1/workflows/" + id)
	if err != nil {
		return v
	}
	defer func() { _ = resp.Body.Close() }()
	_ = json.NewDecoder(resp.Body).Decode(&v)
	return v
}

func (s *system) await(id, what string, is func(view) bool) view {
	s.t.Helper()
	var v view
	localtest.Eventually(s.t, what, func() bool { v = s.look(id); return is(v) })
	return v
}

func state(want string) func(view) bool { return func(v view) bool { return v.State == want } }

// holdAndKill submits a step, waits until a worker is at it, and kills that worker. The test's end starts it again.
func (s *system) holdAndKill(step string) (id string) {
	s.t.Helper()
	id = s.submit(step)
	v := s.await(id, "a worker takes the task", func(v view) bool { return len(v.Tasks) == 1 && v.Tasks[0].State == "running" })
	worker := v.Tasks[0].Worker
	if err := s.Kill(s.t.Context(), worker, "KILL"); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.Undo(context.Background(), platform.Step{Op: platform.Start, Unit: worker}) })
	return id
}

const slow = `{"name":"a","kind":"sleep","for":"1s"}`

// never checks for long enough that something does not happen.
func (s *system) never(id, what string, is func(view) bool) {
	s.t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if v := s.look(id); is(v) {
			s.t.Fatalf("%s: %+v", what, v)
		}
	}
}

func TestEachSettingMakesItsDifference(t *testing.T) {
	s := start(t)
	on := func(name string, test func(*system)) {
		t.Run(name, func(t *testing.T) { test(&system{s.Stack, t, s.api}) })
	}
	on("without a visibility timeout a dead worker's task goes to nobody", func(s *system) {
		s.settle("naive", nil)
		s.never(s.holdAndKill(slow), "somebody took it", func(v view) bool { return v.Tasks[0].State != "running" || v.Tasks[0].Attempt != 1 })
	})
	on("with one it goes back to the queue", func(s *system) {
		s.settle("naive", map[string]string{"queue.visibility_timeout": "2s", "queue.max_attempts": "3"})
		id := s.holdAndKill(slow)
		s.await(id, "another worker takes it", func(v view) bool { return v.Tasks[0].Attempt == 2 })
		s.await(id, "it completes", state("completed"))
	})
	on("a task that fails at first fails for good with one attempt", func(s *system) {
		s.settle("naive", map[string]string{"failures.mark_and_notify": "on"})
		v := s.await(s.submit(`{"name":"a","kind":"fail","times":2}`), "it fails", state("failed"))
		if v.Tasks[0].Attempt != 1 || !strings.Contains(v.Error, "fails by design") {
			s.t.Errorf("%+v", v)
		}
	})
	on("and completes with more, after waits", func(s *system) {
		s.settle("naive", map[string]string{"queue.max_attempts": "5", "queue.backoff": "50ms-200ms"})
		if v := s.await(s.submit(`{"name":"a","kind":"fail","times":2}`), "it completes", state("completed")); v.Tasks[0].Attempt != 3 {
			s.t.Errorf("%+v", v)
		}
	})
	on("one that keeps failing ends failed with its reason, and its workflow with it", func(s *system) {
		s.settle("resilient", map[string]string{"queue.max_attempts": "2", "queue.backoff": "50ms-100ms"})
		v := s.await(s.submit(`{"name":"a","kind":"fail"},{"name":"b","kind":"noop","needs":["a"]}`), "it fails", state("failed"))
		if v.Tasks[0].State != "failed" || v.Tasks[1].State != "cancelled" || !strings.Contains(v.Error, "attempt 2") {
			s.t.Errorf("%+v", v)
		}
	})
	on("the reaper requeues an orphan by its policy", func(s *system) {
		s.settle("naive", map[string]string{"tasks.abandon_after": "1500ms", "reaper.every": "200ms", "queue.max_attempts": "3"})
		s.await(s.holdAndKill(slow), "it completes elsewhere", func(v view) bool { return v.State == "completed" && v.Tasks[0].Attempt == 2 })
	})
	on("or fails it", func(s *system) {
		s.settle("naive", map[string]string{"tasks.abandon_after": "1500ms", "reaper.every": "200ms", "queue.max_attempts": "3", "reaper.policy": "fail", "failures.mark_and_notify": "on"})
		if v := s.await(s.holdAndKill(slow), "it fails", state("failed")); !strings.Contains(v.Error, "no sign of life") {
			s.t.Errorf("%+v", v)
		}
	})
	on("a task that must not run twice is failed, not requeued", func(s *system) {
		s.settle("resilient", map[string]string{"tasks.abandon_after": "1500ms", "reaper.every": "200ms", "queue.visibility_timeout": "1s"})
		if v := s.await(s.holdAndKill(`{"name":"a","kind":"sleep","for":"1s","once":true}`), "it fails", state("failed")); v.Tasks[0].Attempt != 1 {
			s.t.Errorf("%+v", v)
		}
	})
	on("without consistent marking a failed task leaves its workflow running", func(s *system) {
		s.settle("naive", nil)
		id := s.submit(`{"name":"a","kind":"fail"},{"name":"b","kind":"noop","needs":["a"]}`)
		s.await(id, "the task fails", func(v view) bool { return len(v.Tasks) == 2 && v.Tasks[0].State == "failed" })
		s.never(id, "its workflow ended", func(v view) bool { return v.State != "running" })
	})
	on("with it somebody is told", func(s *system) {
		told := make(chan string, 10)
		hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			told <- string(body)
		}))
		defer hook.Close()
		s.settle("naive", map[string]string{"failures.mark_and_notify": "on", "failures.webhook": hook.URL})
		defer s.settle("naive", map[string]string{"failures.webhook": "off"})
		id := s.submit(`{"name":"a","kind":"fail"}`)
		for deadline := time.After(20 * time.Second); ; {
			select {
			case body := <-told:
				if strings.Contains(body, id) && strings.Contains(body, "workflow.failed") {
					return
				}
			case <-deadline:
				s.t.Fatal("nobody was told")
			}
		}
	})
	on("a worker that is asked to stop finishes what it holds", func(s *system) {
		s.settle("naive", nil)
		id := s.submit(slow)
		v := s.await(id, "a worker takes the task", func(v view) bool { return len(v.Tasks) == 1 && v.Tasks[0].State == "running" })
		worker := v.Tasks[0].Worker
		defer func() { _ = s.Undo(context.Background(), platform.Step{Op: platform.Start, Unit: worker}) }()
		if err := s.Stop(s.t.Context(), worker, 15*time.Second); err != nil {
			s.t.Fatal(err)
		}
		if v := s.look(id); v.State != "completed" || v.Tasks[0].Attempt != 1 {
			s.t.Errorf("%+v", v)
		}
	})
	on("the leading scheduler's death is taken over", func(s *system) {
		leader := s.leader()
		if err := s.Kill(s.t.Context(), leader, "KILL"); err != nil {
			s.t.Fatal(err)
		}
		defer func() { _ = s.Undo(context.Background(), platform.Step{Op: platform.Start, Unit: leader}) }()
		localtest.Eventually(s.t, "another one leads", func() bool { next := s.leader(); return next != "" && next != leader })
	})
}

// leader asks every scheduler whether it leads.
func (s *system) leader() string {
	units, err := s.Units(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range units {
		if u.Service != "scheduler" || u.State != platform.Running {
			continue
		}
		resp, err := http.Get("http://" + u.Addr + "/metrics")
		if err != nil {
			continue
		}
		page, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if strings.Contains(string(page), "orchestrator_scheduler_leading 1") {
			return u.Name
		}
	}
	return ""
}

func TestBadInputIsRefusedInASentenceAndChangesNothing(t *testing.T) {
	s := start(t)
	count := func() string {
		_, answer := s.ask("GET", "/v1/settings", "")
		return fmt.Sprint(answer["settings"])
	}
	before := count()
	long := strings.Repeat("x", 2<<20)
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		says                     string
	}{
		{"no JSON", "POST", "/v1/workflows", `{`, 400, "not what is expected"},
		{"two objects", "POST", "/v1/workflows", `{"sample":"noop"}{}`, 400, "more than one"},
		{"an unknown field", "POST", "/v1/workflows", `{"sampel":"noop"}`, 400, "sampel"},
		{"no steps", "POST", "/v1/workflows", `{"name":"n"}`, 422, "1 to 5000 steps"},
		{"a cycle", "POST", "/v1/workflows", `{"name":"n","steps":[{"name":"a","kind":"noop","needs":["b"]},{"name":"b","kind":"noop","needs":["a"]}]}`, 422, "a, b"},
		{"a need of itself", "POST", "/v1/workflows", `{"name":"n","steps":[{"name":"a","kind":"noop","needs":["a"]}]}`, 422, "wait for each other"},
		{"an unknown need", "POST", "/v1/workflows", `{"name":"n","steps":[{"name":"a","kind":"noop","needs":["z"]}]}`, 422, `needs "z"`},
		{"a name twice", "POST", "/v1/workflows", `{"name":"n","steps":[{"name":"a","kind":"noop"},{"name":"a","kind":"noop"}]}`, 422, "is taken"},
		{"an unknown kind", "POST", "/v1/workflows", `{"name":"n","steps":[{"name":"a","kind":"nop"}]}`, 422, "there is no kind"},
		{"an unknown sample", "POST", "/v1/workflows", `{"sample":"x"}`, 422, "fan-out"},
		{"a body without end", "POST", "/v1/workflows", `{"name":"` + long + `"}`, 413, "larger than"},
		{"a long key", "POST", "/v1/workflows", `{"sample":"noop","key":"` + long[:300] + `"}`, 400, "at most 200"},
		{"a wrong method", "DELETE", "/v1/workflows", ``, 404, "nothing at DELETE"},
		{"a wrong path", "GET", "/v1/nothing", ``, 404, "nothing at"},
		{"no UUID", "GET", "/v1/workflows/7", ``, 400, "UUID"},
		{"an unknown workflow", "GET", "/v1/workflows/00000000-0000-0000-0000-000000000000", ``, 404, "no such workflow"},
		{"an unknown setting", "PUT", "/v1/settings", `{"settings":{"queue.max_attemps":"3"}}`, 422, "there are: "},
		{"an unusable value", "PUT", "/v1/settings", `{"settings":{"queue.max_attempts":"3","queue.visibility_timeout":"soon"}}`, 422, "duration"},
		{"an unknown profile", "PUT", "/v1/settings", `{"profile":"heroic"}`, 422, "naive, resilient"},
		{"no change", "PUT", "/v1/settings", `{}`, 422, "profile"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := &system{s.Stack, t, s.api}
			status, answer := s.ask(c.method, c.path, c.body)
			if status != c.status || !strings.Contains(fmt.Sprint(answer["error"]), c.says) {
				t.Errorf("%d %v, want %d and %q", status, answer, c.status, c.says)
			}
		})
	}
	if after := count(); after != before {
		t.Errorf("the settings changed: %s", after)
	}
	t.Run("a key is one submission's", func(t *testing.T) {
		s := &system{s.Stack, t, s.api}
		status, first := s.ask("POST", "/v1/workflows", `{"sample":"noop","key":"k"}`)
		again, second := s.ask("POST", "/v1/workflows", `{"sample":"noop","key":"k"}`)
		other, _ := s.ask("POST", "/v1/workflows", `{"sample":"diamond","key":"k"}`)
		if status != 201 || again != 200 || first["id"] != second["id"] || other != 409 {
			t.Errorf("%d %v, %d %v, %d", status, first, again, second, other)
		}
	})
	t.Run("each change of a setting is recorded", func(t *testing.T) {
		s := &system{s.Stack, t, s.api}
		s.ask("PUT", "/v1/settings", `{"settings":{"queue.max_attempts":"7"},"by":"ada","why":"test"}`)
		resp, err := http.Get(s.api + "/v1/settings/history")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var list []struct{ Name, Old, New, By, Why string }
		if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list) == 0 || list[0].Name != "queue.max_attempts" || list[0].Old != "5" || list[0].New != "7" || list[0].By != "ada" {
			t.Errorf("%+v %v", list, err)
		}
	})
}
