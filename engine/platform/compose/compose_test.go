package compose_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"gameday/engine/platform"
	"gameday/engine/platform/compose"
	"gameday/engine/platform/compose/composetest"
	"gameday/engine/platform/conformance"
)

func TestMain(m *testing.M) { os.Exit(composetest.Main(m)) }

func TestConformance(t *testing.T) {
	const project = "gdconformance"
	p := composetest.Bring(t, project, 2)
	conformance.Run(t, conformance.Target{
		Platform: p,
		Again:    func(ctx context.Context) (platform.Platform, error) { return compose.Open(ctx, project) },
		Units:    []string{"client-1", "client-2", "server-1"},
		One:      "client-1",
		Alive: func(t *testing.T, u platform.Unit) bool {
			state := composetest.Docker(t, "ps", "-a", "--no-trunc", "--filter", "id="+u.ID, "--format", "{{.State}}")
			return state == "running"
		},
		To:    &platform.Far{Service: "server", Port: 7000},
		Reach: func(t *testing.T) (time.Duration, error) { return composetest.Reach(t, project, 1) },
	})
}

// portrait is everything that docker says of a container, but for what changes when it is started again.
func portrait(t *testing.T, name string) string {
	t.Helper()
	text := composetest.Docker(t, "inspect", name)
	volatile := regexp.MustCompile(`(?m)^.*"(Id|Created|Pid|StartedAt|FinishedAt|SandboxID|SandboxKey|EndpointID|ResolvConfPath|HostnamePath|HostsPath|LogPath|LowerDir|MergedDir|UpperDir|WorkDir|Hostname|MacAddress|IPAddress)":.*$`)
	return strings.ReplaceAll(volatile.ReplaceAllString(text, ""), composetest.Docker(t, "inspect", "-f", "{{printf \"%.12s\" .Id}}", name), "ID")
}

func TestARemovedContainerComesBackAsItWas(t *testing.T) {
	const project = "gdremoved"
	p := composetest.Bring(t, project, 1)
	before := portrait(t, project+"-client-1")
	if err := p.Remove(t.Context(), "client-1", "lease"); err != nil {
		t.Fatal(err)
	}
	units, err := p.Units(t.Context())
	if err != nil || len(units) != 1 {
		t.Errorf("units while it is away: %v %v", units, err)
	}
	if err := p.Undo(t.Context(), platform.Step{Op: platform.Recreate, Unit: "client-1"}); err != nil {
		t.Fatal(err)
	}
	if after := portrait(t, project+"-client-1"); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

func TestPressures(t *testing.T) {
	const project = "gdpressure"
	p := composetest.Bring(t, project, 1)
	name := project + "-client-1"
	before := portrait(t, name)
	for _, pressure := range []platform.Pressure{
		{Kind: "cpu", Percent: 90}, {Kind: "memory", Size: 128 << 20}, {Kind: "io", Rate: 1 << 20}, {Kind: "disk", Path: "/data", Leave: 8 << 20},
	} {
		t.Run(pressure.Kind, func(t *testing.T) {
			pressure.Lease, pressure.Lasts = "gd-"+pressure.Kind, 30*time.Second
			with, err := p.Using(t.Context(), "client-1", pressure)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Press(t.Context(), "client-1", pressure); err != nil {
				t.Fatal(err)
			}
			evidence, err := p.Pressed(t.Context(), "client-1", pressure)
			for begun := time.Now(); err != nil && time.Since(begun) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
				evidence, err = p.Pressed(t.Context(), "client-1", pressure)
			}
			t.Log(evidence)
			if err != nil {
				t.Error(err)
			}
			step := platform.Step{Op: platform.Mend, Unit: "client-1", Lease: pressure.Lease, With: with}
			other, err := compose.Open(t.Context(), project)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := other.Undo(t.Context(), step); err != nil {
					t.Fatal(err)
				}
			}
			after, err := p.Using(t.Context(), "client-1", pressure)
			if err != nil || after["limit"] != with["limit"] {
				t.Errorf("what stood was %v, and is %v (%v)", with, after, err)
			}
			if left := composetest.Docker(t, "ps", "-aq", "--filter", "label=gameday.lease="+pressure.Lease); left != "" {
				t.Errorf("containers are left: %s", left)
			}
		})
	}
	if after := portrait(t, name); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

func TestPressuresThatCannotBe(t *testing.T) {
	p := composetest.Bring(t, "gdcannot", 1)
	for want, pressure := range map[string]platform.Pressure{
		"cannot be taken": {Kind: "memory", Size: 1 << 40}, "is in no volume": {Kind: "disk", Path: "/etc"},
	} {
		pressure.Lease = "gd-cannot"
		if _, err := p.Using(t.Context(), "client-1", pressure); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A sidecar that is killed cannot take its rules away; the undo does, from another process.
func TestRulesOfAKilledSidecarGo(t *testing.T) {
	const project = "gdkilled"
	p := composetest.Bring(t, project, 1)
	i := platform.Impairment{Kind: "blackhole", To: &platform.Far{Service: "server"}, Lease: "gd-killed", Lasts: time.Minute}
	if err := errors.Join(p.Prepare(t.Context(), "client-1", i), p.Impair(t.Context(), "client-1", i)); err != nil {
		t.Fatal(err)
	}
	composetest.Docker(t, "kill", "-s", "KILL", composetest.Docker(t, "ps", "-q", "--filter", "label=gameday.lease=gd-killed"))
	if _, err := composetest.Reach(t, project, 1); err == nil {
		t.Error("the rules went with the sidecar; this test shows nothing")
	}
	other, err := compose.Open(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Undo(t.Context(), platform.Step{Op: platform.Mend, Unit: "client-1", Lease: "gd-killed", With: map[string]string{"kind": "network"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := composetest.Reach(t, project, 1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAContainerThatStartsAgainIsClean(t *testing.T) {
	const project = "gdrestart"
	p := composetest.Bring(t, project, 1)
	i := platform.Impairment{Kind: "latency", Latency: 300 * time.Millisecond, Lease: "gd-restart", Lasts: time.Minute}
	if err := errors.Join(p.Prepare(t.Context(), "client-1", i), p.Impair(t.Context(), "client-1", i)); err != nil {
		t.Fatal(err)
	}
	if took, err := composetest.Reach(t, project, 1); err != nil || took < i.Latency {
		t.Errorf("it is not in effect: %v %v", took, err)
	}
	composetest.Docker(t, "restart", "-t", "1", project+"-client-1")
	took, err := composetest.Reach(t, project, 1)
	for tries := 0; tries < 10 && (err != nil || took > i.Latency/2); tries++ { // a busy machine answers late by itself, but not always
		took, err = composetest.Reach(t, project, 1)
	}
	if err != nil || took > i.Latency/2 {
		t.Errorf("after the restart: %v %v", took, err)
	}
	if err := p.Undo(t.Context(), platform.Step{Op: platform.Mend, Unit: "client-1", Lease: "gd-restart", With: map[string]string{"kind": "network"}}); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	composetest.Need(t)
	if _, err := compose.Open(t.Context(), "no-such-project"); !errors.Is(err, platform.ErrNotUp) || !strings.Contains(err.Error(), "no-such-project") {
		t.Error(err)
	}
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	if _, err := compose.Open(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "no Docker Engine answers") {
		t.Error(err)
	}
}

// A fault would reach whoever shares the unit's network: nothing is made then.
func TestASharedNetworkIsLeftAlone(t *testing.T) {
	const project = "gdshared"
	p := composetest.Bring(t, project, 1)
	composetest.Docker(t, "run", "-d", "--network", "container:"+project+"-client-1", "--label", "gameday.of="+project, composetest.Image, "wait")
	_, err := p.Standing(t.Context(), "client-1", platform.Impairment{Kind: "blackhole", Lease: "gd-shared", Lasts: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "shares its network") {
		t.Error(err)
	}
	if left := composetest.Docker(t, "ps", "-aq", "--filter", "label=gameday.lease=gd-shared"); left != "" {
		t.Errorf("something was made: %s", left)
	}
}

// A project that went down in the middle of a fault leaves nothing of ours.
func TestAProjectThatWentDownIsCleanedUp(t *testing.T) {
	const project = "gddown"
	p := composetest.Bring(t, project, 1)
	i := platform.Impairment{Kind: "blackhole", Lease: "gd-down", Lasts: time.Minute}
	if err := errors.Join(p.Prepare(t.Context(), "client-1", i), p.Impair(t.Context(), "client-1", i)); err != nil {
		t.Fatal(err)
	}
	composetest.Docker(t, append([]string{"rm", "-f"}, strings.Fields(composetest.Docker(t, "ps", "-aq", "--filter", "label=com.docker.compose.project="+project))...)...)
	other, err := compose.Open(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Undo(t.Context(), platform.Step{Op: platform.Mend, Unit: "client-1", Lease: "gd-down", With: map[string]string{"kind": "network"}}); err != nil {
		t.Error(err)
	}
	if left := composetest.Docker(t, "ps", "-aq", "--filter", "label=gameday.of="+project); left != "" {
		t.Errorf("left: %s", left)
	}
}
