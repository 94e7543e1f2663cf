package local_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"gameday/engine/platform"
	"gameday/engine/platform/local"
	"gameday/engine/platform/local/localtest"
)

func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

// bringUp brings a stack up; after it went down, none of its processes is left.
func bringUp(t *testing.T, project string) *local.Stack {
	t.Helper()
	t.Cleanup(func() {
		if left := local.Marked(project); len(left) > 0 {
			t.Errorf("down left processes %v", left)
		}
	})
	return localtest.BringUp(t, project)
}

func find(t *testing.T, s *local.Stack, name string) platform.Unit {
	t.Helper()
	units, err := s.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("no unit %s in %v", name, units)
	return platform.Unit{}
}

func TestStackLife(t *testing.T) {
	s := bringUp(t, "life")
	env, err := s.Environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(env["API_URL"]+"/v1/workflows", "application/json", bytes.NewBufferString(`{"sample":"diamond","key":"k1"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("submission: %s %s", resp.Status, body)
	}
	id := strings.Split(string(body), `"`)[3]
	localtest.Eventually(t, "the workflow completes", func() bool {
		resp, err := http.Get(env["API_URL"] + "/v1/workflows/" + id)
		if err != nil {
			return false
		}
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), `"state":"completed"`)
	})

	t.Run("a killed unit stays down until it is started", func(t *testing.T) {
		before := find(t, s, "worker-2")
		changes, err := s.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Kill(t.Context(), "worker-2", "KILL"); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(before.PID, 0); !errors.Is(err, syscall.ESRCH) {
			t.Fatalf("pid %d is still there: %v", before.PID, err)
		}
		if c := <-changes; c.Name != "worker-2" || c.State != platform.Exited || !strings.Contains(c.Exit, "killed") {
			t.Errorf("watched %+v", c)
		}
		for range 2 { // doing it again is harmless
			if err := s.Undo(t.Context(), platform.Step{Op: platform.Start, Unit: "worker-2"}); err != nil {
				t.Fatal(err)
			}
		}
		after := find(t, s, "worker-2")
		if after.State != platform.Running || after.PID == before.PID {
			t.Errorf("after the undo: %+v", after)
		}
	})
	t.Run("a unit that dies by itself is restarted", func(t *testing.T) {
		before := find(t, s, "api-1")
		_ = syscall.Kill(before.PID, syscall.SIGKILL)
		localtest.Eventually(t, "api-1 runs again", func() bool {
			u := find(t, s, "api-1")
			return u.State == platform.Running && u.PID != before.PID && u.Restarts == 1
		})
	})
	t.Run("a paused unit is frozen with its children, and resumes", func(t *testing.T) {
		if err := s.Pause(t.Context(), "postgres-1"); err != nil {
			t.Fatal(err)
		}
		for _, pid := range local.Family(find(t, s, "postgres-1").PID) {
			if st, ok := local.ReadStat(pid); ok && st.State != 'T' && st.State != 'Z' {
				t.Errorf("pid %d is in state %c", pid, st.State)
			}
		}
		if err := s.Undo(t.Context(), platform.Step{Op: platform.Resume, Unit: "postgres-1"}); err != nil {
			t.Fatal(err)
		}
		localtest.Eventually(t, "the API is ready again", func() bool { return local.HTTPOK(t.Context(), env["API_URL"]+"/readyz") == nil })
	})
	t.Run("sentinel knows a primary and a replica", func(t *testing.T) {
		for _, name := range []string{"sentinel-1", "sentinel-2", "sentinel-3"} {
			if err := local.RedisPing(t.Context(), find(t, s, name).Addr); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("logs", func(t *testing.T) {
		lines, err := s.Logs(t.Context(), "api-2", 5, false)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range lines {
			n++
		}
		if n == 0 || n > 5 {
			t.Errorf("%d lines", n)
		}
		if _, err := s.Logs(t.Context(), "nobody-1", 5, false); err == nil || !strings.Contains(err.Error(), "worker-1") {
			t.Errorf("an unknown unit's logs: %v", err)
		}
	})
}

func TestLostSupervisorIsCleared(t *testing.T) {
	s := bringUp(t, "lost")
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	units, _ := s.Units(t.Context())
	for _, u := range units {
		pids = append(pids, u.PID)
	}
	_ = syscall.Kill(status.PID, syscall.SIGKILL)
	localtest.Eventually(t, "the supervisor is gone", func() bool { _, err := local.Open(t.Context(), "lost"); return errors.Is(err, platform.ErrNotUp) })

	again := bringUp(t, "lost")
	for _, pid := range pids {
		if st, ok := local.ReadStat(pid); ok && st.State != 'Z' {
			t.Errorf("pid %d of the lost stack is still there", pid)
		}
	}
	if find(t, again, "worker-1").State != platform.Running {
		t.Error("the new stack does not run")
	}
}
