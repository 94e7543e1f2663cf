package local_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"gameday/engine/platform"
	"gameday/engine/platform/conformance"
	"gameday/engine/platform/local"
)

func TestConformance(t *testing.T) {
	const project, one = "conformance", "worker-2"
	s := bringUp(t, project)
	conformance.Run(t, conformance.Target{
		Platform: s,
		Again:    func(ctx context.Context) (platform.Platform, error) { return local.Open(ctx, project) },
		Units:    []string{"api-1", "api-2", "cache-1", "cache-2", "postgres-1", "scheduler-1", "scheduler-2", "sentinel-3", "worker-1", "worker-2", "worker-3"},
		One:      one,
		Alive:    func(_ *testing.T, u platform.Unit) bool { return executing(u.PID) },
		To:       &platform.Far{Service: "postgres", Port: 5432},
		Reach: func(t *testing.T) (time.Duration, error) {
			return askPostgres(through(t, find(t, s, one).PID, find(t, s, "postgres-1").Addr))
		},
		Lacks: []string{"remove", "loss", "dns"},
	})
}

// executing reports whether a process is there and neither stopped nor dead.
func executing(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := strings.TrimSpace(string(data[strings.LastIndexByte(string(data), ')')+1:]))[0]
	return state != 'T' && state != 'Z'
}

// through says where a process goes to reach an address.
func through(t *testing.T, pid int, addr string) string {
	t.Helper()
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range strings.Split(string(environ), "\x00") {
		for _, pair := range strings.Split(strings.TrimPrefix(v, "DIAL_THROUGH="), ",") {
			if proxy, ok := strings.CutPrefix(pair, addr+"="); ok {
				return proxy
			}
		}
	}
	t.Fatalf("process %d has no path to %s", pid, addr)
	return ""
}

// askPostgres asks whether PostgreSQL speaks TLS, the shortest question of its protocol (SSLRequest).
func askPostgres(addr string) (time.Duration, error) {
	begun := time.Now()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return 0, err
	}
	_, err = conn.Read(make([]byte, 1))
	return time.Since(begun), err
}

func TestPressures(t *testing.T) {
	s := bringUp(t, "pressure")
	for _, p := range []platform.Pressure{{Kind: "cpu", Percent: 80}, {Kind: "memory", Size: 64 << 20}, {Kind: "io", Rate: 1 << 20}} {
		p.Lease, p.Lasts = "gd-"+p.Kind, 30*time.Second
		if err := s.Press(t.Context(), "worker-1", p); err != nil {
			t.Fatal(err)
		}
		evidence, err := s.Pressed(t.Context(), "worker-1", p)
		for begun := time.Now(); err != nil && time.Since(begun) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
			evidence, err = s.Pressed(t.Context(), "worker-1", p)
		}
		if err != nil {
			t.Errorf("%s: %v", p.Kind, err)
		}
		t.Log(evidence)
		for range 2 {
			if err := s.Undo(t.Context(), platform.Step{Op: platform.Mend, Unit: "worker-1", Lease: p.Lease}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Pressed(t.Context(), "worker-1", p); err == nil {
			t.Errorf("%s: it still presses", p.Kind)
		}
		if u := find(t, s, "worker-1"); !executing(u.PID) {
			t.Errorf("%s: worker-1 stands still", p.Kind)
		}
	}
	for want, p := range map[string]platform.Pressure{"more than half": {Kind: "memory", Size: 1 << 50}, "no volumes": {Kind: "disk"}} {
		if err := s.Press(t.Context(), "worker-1", p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
