package aws_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gameday/engine/platform"
	"gameday/engine/platform/aws"
	"gameday/engine/platform/aws/awstest"
	"gameday/engine/platform/conformance"
)

// shop starts the cloud with a shop in it, and points the SDK at it.
func shop(t *testing.T) *awstest.Cloud {
	t.Helper()
	c := awstest.Shop()
	t.Cleanup(c.Close)
	for name, value := range c.Env() {
		t.Setenv(name, value)
	}
	return c
}

var target = platform.Target{
	Platform: "aws", Project: "shop", Clusters: []string{"shop"}, Tags: map[string]string{"project": "shop"}, OptIn: "gameday=allowed",
}

func open(t *testing.T, to platform.Target) *aws.Platform {
	t.Helper()
	p, err := aws.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func units(t *testing.T, p platform.Platform, fits func(platform.Unit) bool) []platform.Unit {
	t.Helper()
	all, err := p.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(u platform.Unit) bool { return !fits(u) })
}

func of(service string) func(platform.Unit) bool {
	return func(u platform.Unit) bool { return u.Service == service }
}

func named(names ...string) func(platform.Unit) bool {
	return func(u platform.Unit) bool { return slices.Contains(names, u.Name) }
}

func TestConformance(t *testing.T) {
	for _, what := range []string{"an instance", "a task"} {
		t.Run(what, func(t *testing.T) {
			c := shop(t)
			c.Do(func(c *awstest.Cloud) { c.Takes, c.Lag = 200*time.Millisecond, 500*time.Millisecond })
			p := open(t, target)
			one := "i-0000000000000002a"
			if what == "a task" {
				one = units(t, p, of("api"))[0].Name
			}
			conformance.Run(t, conformance.Target{
				Platform: p, Again: func(ctx context.Context) (platform.Platform, error) { return aws.Open(ctx, target) },
				Units: []string{one, "shop-cache-001", "shop-db", "shop-orders-2"}, One: one,
				Alive: func(_ *testing.T, u platform.Unit) bool {
					return c.Instance(u.ID).State == "running" || c.Task(u.ID).Status == "RUNNING" || strings.HasPrefix(u.Name, "shop-")
				},
				Lacks: []string{"remove", "pause", "logs", "network"},
			})
		})
	}
}

func TestUnitsSayWhatTheyAre(t *testing.T) {
	shop(t)
	p := open(t, target)
	worker := units(t, p, of("worker"))
	if len(worker) != 3 || worker[0].Host == "" || worker[0].Zone == "" || worker[0].Instance != worker[0].Host || !worker[0].Replaced || worker[0].Closed != "" {
		t.Errorf("%+v", worker)
	}
	if b := units(t, p, of("billing")); len(b) != 1 || !b[0].Skipped() || !strings.Contains(b[0].Closed, "gameday=allowed") {
		t.Errorf("%+v", b)
	}
	if h := units(t, p, of("shop-hosts")); len(h) != 2 || !h[0].Replaced || h[0].Zone != "eu-central-1a" {
		t.Errorf("%+v", h)
	}
	for name, role := range map[string]string{"shop-cache-001": "primary", "shop-cache-002": "replica", "shop-orders-1": "primary", "shop-orders-2": "replica"} {
		if u := units(t, p, named(name)); len(u) != 1 || u[0].Labels[platform.RoleLabel] != role {
			t.Errorf("%s: %+v", name, u)
		}
	}
	narrow := target
	narrow.Services = []string{"worker", "shop-cache"}
	some := units(t, open(t, narrow), func(platform.Unit) bool { return true })
	if len(some) != 3+2 { // the workers and the cache; what they run on is told, and is no unit
		t.Errorf("%+v", some)
	}
	rehearsal := target
	rehearsal.OptIn = ""
	if b := units(t, open(t, rehearsal), of("billing")); len(b) != 1 || b[0].Skipped() {
		t.Errorf("in a rehearsal: %+v", b)
	}
}

// Every action: nothing is touched before, it is seen, and another process puts it back, twice, by the steps alone.
func TestActions(t *testing.T) {
	for _, c := range []struct {
		action platform.Action
		on     func(platform.Unit) bool
		seen   string
		check  func(t *testing.T, c *awstest.Cloud, during bool)
	}{
		{platform.Action{Kind: "terminate"}, named("i-0000000000000001a"), "i-0000000000000001a", nil},
		{platform.Action{Kind: "refresh"}, of("shop-hosts"), "the refresh of shop-hosts is InProgress", nil},
		{platform.Action{Kind: "drain"}, named("i-0000000000000001a"), "is DRAINING", func(t *testing.T, c *awstest.Cloud, during bool) {
			if c.Instance("i-0000000000000001a").Draining != during {
				t.Errorf("draining during the fault: %v", during)
			}
		}},
		{platform.Action{Kind: "scale", With: map[string]string{"to": "1"}}, of("worker"), "worker runs 1 tasks and wants 1", func(t *testing.T, c *awstest.Cloud, during bool) {
			if n := c.Running("shop", "worker"); during != (n == 1) {
				t.Errorf("%d workers run, during the fault: %v", n, during)
			}
		}},
		{platform.Action{Kind: "deregister", With: map[string]string{"group": "shop-api"}}, func(u platform.Unit) bool { return u.Service == "api" && u.Zone == "eu-central-1a" }, "is draining", func(t *testing.T, c *awstest.Cloud, during bool) {
			if n := c.Healthy("shop-api"); during != (n == 1) {
				t.Errorf("%d targets are healthy, during the fault: %v", n, during)
			}
		}},
		{platform.Action{Kind: "failover"}, named("shop-cache-001"), "shop-cache-002 is the primary now", nil},
		{platform.Action{Kind: "failover"}, named("shop-db"), "shop-db is rebooting", nil},
		{platform.Action{Kind: "failover"}, named("shop-orders-1"), "shop-orders-2 is the writer now", nil},
		{platform.Action{Kind: "isolate", Lists: map[string][]string{"subnets": {"subnet-0000000a"}}}, func(u platform.Unit) bool { return u.Zone == "eu-central-1a" }, "lets nothing through", func(t *testing.T, c *awstest.Cloud, during bool) {
			acls, n := c.ACLs()
			if own := acls["subnet-0000000a"] != "acl-00000001"; own != during || (n == 2) != during || acls["subnet-0000000b"] != "acl-00000001" {
				t.Errorf("%v, %d network ACLs, during the fault: %v", acls, n, during)
			}
		}},
		{platform.Action{Kind: "document", With: map[string]string{"document": "Break", "revert": "PutBack"}, Maps: map[string]map[string]string{"parameters": {"a": "b"}}}, named("i-0000000000000002a"), "Break on i-0000000000000002a", nil},
		{platform.Action{Kind: "experiment", With: map[string]string{"action": "aws:ecs:stop-task", "role": "arn:aws:iam::123456789012:role/fis"}, Lists: map[string][]string{"alarms": {"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-5xx"}}}, of("api"), "is running", nil},
	} {
		t.Run(strings.TrimSpace(c.action.Kind+" "+c.seen), func(t *testing.T) {
			t.Parallel()
			cloud := awstest.Shop()
			defer cloud.Close()
			cloud.Do(func(c *awstest.Cloud) { c.Lag = 300 * time.Millisecond })
			planned := func() {
				if m := mutations(cloud); len(m) > 0 {
					t.Errorf("planning changed something: %v", m)
				}
			}
			check := func(during bool) {
				if c.check != nil {
					c.check(t, cloud, during)
				}
			}
			carry(t, func() *aws.Platform { return opened(t, cloud) }, c.on, c.action, c.seen, planned, check)
			if left := cloud.Left(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if n := cloud.Running("shop", "worker"); n != 3 {
				t.Errorf("%d workers run afterwards", n)
			}
		})
	}
}

// carry takes an action from its plan until another process has put it back, twice.
func carry(t *testing.T, open func() *aws.Platform, fits func(platform.Unit) bool, a platform.Action, seen string, planned func(), check func(during bool)) {
	t.Helper()
	p := open()
	on := units(t, p, fits)
	a.Lease, a.Lasts = "lease-"+strings.ToLower(rand.Text()[:8]), 20*time.Second
	steps, err := p.Before(t.Context(), on, a)
	if err != nil {
		t.Fatal(err)
	}
	planned()
	if err := p.Act(t.Context(), on, a); err != nil {
		t.Fatal(err)
	}
	if seen == "" { // it is nothing that can be seen here, and then it must not be said to be
		if said, err := p.Seen(t.Context(), on, a); err == nil {
			t.Errorf("%q", said)
		}
	}
	eventually(t, func() error {
		if seen == "" {
			return nil
		}
		said, err := p.Seen(t.Context(), on, a)
		if err == nil && !strings.Contains(said, seen) {
			err = fmt.Errorf("%q", said)
		}
		return err
	})
	check(true)
	for range 2 {
		other := open()
		for _, step := range steps {
			if other.Manual(step, on[0]) == "" {
				t.Error("there is no command that does it by hand")
			}
			if said, err := other.Restore(t.Context(), step); err != nil || said == "" {
				t.Errorf("%q, %v", said, err)
			}
		}
	}
	check(false)
}

// opened points a driver at a cloud without the environment, so that tests may run side by side.
func opened(t *testing.T, c *awstest.Cloud) *aws.Platform {
	t.Helper()
	p, err := aws.OpenAt(t.Context(), target, c.URL)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// mutations are the calls that change something.
func mutations(c *awstest.Cloud) []string {
	var all []string
	for _, call := range c.Calls("") {
		reads := strings.HasPrefix(call.Name, "Describe") || strings.HasPrefix(call.Name, "List") || strings.HasPrefix(call.Name, "Get") || strings.HasPrefix(call.Name, "GET")
		if !reads && !slices.Contains(call.Form["DryRun"], "true") {
			all = append(all, call.Name)
		}
	}
	return all
}

func eventually(t *testing.T, holds func() error) {
	t.Helper()
	var err error
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func TestRefusals(t *testing.T) {
	cloud := shop(t)
	p := open(t, target)
	for _, c := range []struct {
		what string
		on   func(platform.Unit) bool
		a    platform.Action
		want string
	}{
		{"what has not opted in", of("billing"), platform.Action{Kind: "experiment"}, "has not opted in"},
		{"an instance without a group", named("i-0000000000000002a"), platform.Action{Kind: "terminate"}, "belongs to no Auto Scaling group"},
		{"a part of a group", named("i-0000000000000001a"), platform.Action{Kind: "refresh"}, "pick: all"},
		{"a replica", named("shop-cache-002"), platform.Action{Kind: "failover"}, "is a replica"},
		{"a database for an instance's fault", named("shop-db"), platform.Action{Kind: "drain"}, "is a database"},
		{"a neighbour in the subnet", of("worker"), platform.Action{Kind: "isolate", Lists: map[string][]string{"subnets": {"subnet-0000000a"}}}, "is in the subnet subnet-0000000a too"},
		{"no such document", named("i-0000000000000002a"), platform.Action{Kind: "document", With: map[string]string{"document": "Missing"}}, "does not exist"},
		{"an experiment without a stop condition", of("api"), platform.Action{Kind: "experiment", With: map[string]string{"action": "aws:ecs:stop-task"}}, "stop_alarms"},
		{"no such target group", of("api"), platform.Action{Kind: "deregister", With: map[string]string{"group": "nowhere"}}, "no target group"},
		{"scaling up", of("worker"), platform.Action{Kind: "scale", With: map[string]string{"to": "3"}}, "would break nothing"},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.a.Lease = "l"
			if _, err := p.Before(t.Context(), units(t, p, c.on), c.a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	narrow := target
	narrow.Services = []string{"worker"}
	some := open(t, narrow)
	if _, err := some.WayBack(t.Context(), platform.Unit{Name: "i-0000000000000001a"}); err == nil || !strings.Contains(err.Error(), "the target has no unit i-0000000000000001a") {
		t.Errorf("%v", err)
	}
	if _, err := some.Before(t.Context(), units(t, some, of("worker")), platform.Action{Kind: "isolate", Lease: "l"}); err == nil || !strings.Contains(err.Error(), "leave target.services out") {
		t.Errorf("%v", err)
	}
	if m := mutations(cloud); len(m) != 0 {
		t.Errorf("something was changed: %v", m)
	}
	if err := p.Kill(t.Context(), units(t, p, of("billing"))[0].Name, "KILL"); err == nil || !strings.Contains(err.Error(), "has not opted in") {
		t.Errorf("%v", err)
	}
}

func TestAccounts(t *testing.T) {
	cloud := shop(t)
	elsewhere := target
	elsewhere.Account = "999999999999"
	if _, err := aws.Open(t.Context(), elsewhere); err == nil || !strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Errorf("%v", err)
	}
	p := open(t, target)
	if alias, err := p.Alias(t.Context()); err != nil || alias != awstest.Alias || p.Target().Account != awstest.Account || p.Target().Region != awstest.Region {
		t.Errorf("%q %v %+v", alias, err, p.Target())
	}
	nowhere := target
	nowhere.Clusters = []string{"nowhere"}
	if _, err := open(t, nowhere).Units(t.Context()); err == nil || !strings.Contains(err.Error(), `no ECS cluster "nowhere"`) {
		t.Errorf("%v", err)
	}
	cloud.Deny("DescribeReplicationGroups")
	p = open(t, target)
	if all := units(t, p, of("shop-cache")); len(all) != 0 || len(p.Unlisted()) != 1 {
		t.Errorf("%v, %v", all, p.Unlisted())
	}
	cloud.Deny("StopInstances")
	if _, err := p.WayBack(t.Context(), platform.Unit{Name: "i-0000000000000002a"}); err == nil || !strings.Contains(err.Error(), "AWS does not allow it") {
		t.Errorf("the dry run said nothing: %v", err)
	}
	cloud.Deny("ReplaceNetworkAclAssociation")
	zone := units(t, p, func(u platform.Unit) bool { return u.Zone == "eu-central-1a" })
	if _, err := p.Before(t.Context(), zone, platform.Action{Kind: "isolate", Lease: "l"}); err == nil || strings.Count(err.Error(), "AWS does not allow it") != 1 {
		t.Errorf("it is not told once: %v", err)
	}
	cloud.Deny("DescribeTasks")
	if _, err := open(t, target).Units(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS does not allow it") {
		t.Errorf("without its tasks a target is listed: %v", err)
	}
	cloud.Deny("StopTask")
	if err := p.Kill(t.Context(), units(t, p, of("api"))[0].Name, "KILL"); err == nil || !strings.Contains(err.Error(), "gameday aws policy") {
		t.Errorf("%v", err)
	}
}

// Requests that AWS refuses because there are too many are sent again.
func TestThrottling(t *testing.T) {
	cloud := shop(t)
	p := open(t, target)
	cloud.Throttle(4)
	if n := len(units(t, p, of("worker"))); n != 3 {
		t.Errorf("%d workers", n)
	}
}

// What AWS says may lag: a fault is not in effect before it is seen.
func TestLag(t *testing.T) {
	cloud := shop(t)
	cloud.Do(func(c *awstest.Cloud) { c.Lag = 1500 * time.Millisecond })
	p := open(t, target)
	u := units(t, p, of("api"))[0]
	if err := p.Kill(t.Context(), u.Name, "KILL"); err != nil {
		t.Fatal(err)
	}
	if len(units(t, open(t, target), named(u.Name))) != 1 {
		t.Error("it is gone at once, so nothing lags")
	}
	eventually(t, func() error {
		if len(units(t, p, named(u.Name))) > 0 {
			return fmt.Errorf("%s is still listed", u.Name)
		}
		return nil
	})
}

// The undo of something that never happened changes nothing and is harmless.
func TestUndoOfNothing(t *testing.T) {
	cloud := shop(t)
	p := open(t, target)
	for _, c := range []struct {
		on func(platform.Unit) bool
		a  platform.Action
	}{
		{named("i-0000000000000001a"), platform.Action{Kind: "drain"}}, {of("worker"), platform.Action{Kind: "scale", With: map[string]string{"to": "1"}}},
		{named("shop-cache-001"), platform.Action{Kind: "failover"}}, {of("api"), platform.Action{Kind: "deregister", With: map[string]string{"group": "shop-api"}}},
	} {
		c.a.Lease = "never"
		on := units(t, p, c.on)
		if c.a.Kind == "deregister" {
			on = on[:1]
		}
		steps, err := p.Before(t.Context(), on, c.a)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			if _, err := p.Restore(t.Context(), step); err != nil {
				t.Errorf("%s: %v", c.a.Kind, err)
			}
		}
	}
	if left := cloud.Left(); len(left) > 0 || cloud.Running("shop", "worker") != 3 {
		t.Errorf("%v", left)
	}
}

func TestGauges(t *testing.T) {
	cloud := shop(t)
	p := open(t, target)
	for _, c := range []struct {
		g    platform.Gauge
		name string
		want any
	}{
		{platform.Gauge{Kind: "ecs", With: map[string]string{"service": "worker"}}, "running", 3.0},
		{platform.Gauge{Kind: "ecs", With: map[string]string{"service": "worker"}}, "rollout", "COMPLETED"},
		{platform.Gauge{Kind: "targets", With: map[string]string{"group": "shop-api"}}, "healthy", 2.0},
		{platform.Gauge{Kind: "cloudwatch", With: map[string]string{"alarm": "shop-5xx"}}, "state", "OK"},
		{platform.Gauge{Kind: "cloudwatch", With: map[string]string{"namespace": "AWS/ApplicationELB", "metric": "HTTPCode_Target_5XX_Count", "stat": "Sum", "period": "60"}}, "value", 0.0},
		{platform.Gauge{Kind: "cloudwatch", With: map[string]string{"namespace": "AWS/None", "metric": "None", "missing": "7"}}, "value", 7.0},
		{platform.Gauge{Kind: "events", With: map[string]string{"elasticache": "shop-cache", "since": time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)}}, "count", 0.0},
		{platform.Gauge{Kind: "events", With: map[string]string{"rds": "shop-db", "since": time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)}}, "count", 0.0},
	} {
		values, err := p.Gauge(t.Context(), c.g)
		if err != nil || values[c.name] != c.want {
			t.Errorf("%v: %v, %v", c.g, values, err)
		}
	}
	if _, err := p.Gauge(t.Context(), platform.Gauge{Kind: "cloudwatch", With: map[string]string{"namespace": "AWS/None", "metric": "None"}}); err == nil || !strings.Contains(err.Error(), "missing: VALUE") {
		t.Errorf("%v", err)
	}
	if _, err := p.Alarms(t.Context(), []string{"nobody"}); err == nil || !strings.Contains(err.Error(), `no CloudWatch alarm "nobody"`) {
		t.Errorf("%v", err)
	}
	cloud.Do(func(c *awstest.Cloud) { c.SetAlarm("shop-5xx", "ALARM") })
	if states, err := p.Alarms(t.Context(), []string{"shop-5xx"}); err != nil || states["shop-5xx"] != "ALARM" {
		t.Errorf("%v, %v", states, err)
	}
}

// Thousands of tasks come page by page; with services named, AWS leaves the others out.
func TestManyTasks(t *testing.T) {
	cloud := shop(t)
	cloud.Do(func(c *awstest.Cloud) {
		for i := range 50 {
			c.AddService(&awstest.Service{Cluster: "shop", Name: fmt.Sprintf("crowd-%02d", i), Desired: 40, Tags: map[string]string{"gameday": "allowed"}, Zones: []string{"eu-central-1a"}})
		}
	})
	p := open(t, target)
	if n := len(units(t, p, func(u platform.Unit) bool { return strings.HasPrefix(u.Service, "crowd") })); n != 2000 {
		t.Errorf("%d tasks", n)
	}
	before := len(cloud.Calls(""))
	narrow := target
	narrow.Services = []string{"crowd-07", "crowd-21"}
	if n := len(units(t, open(t, narrow), func(platform.Unit) bool { return true })); n != 80 {
		t.Errorf("%d tasks", n)
	}
	if n := len(cloud.Calls("")) - before; n > 20 {
		t.Errorf("%d calls", n)
	}
}

// A template of somebody's own is started only where it touches what the plan shows, and is still there afterwards.
func TestTemplates(t *testing.T) {
	cloud := shop(t)
	p := open(t, target)
	worker := units(t, p, of("worker"))
	stop := []any{map[string]any{"source": "aws:cloudwatch:alarm", "value": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-5xx"}}
	onTask := func(id string) map[string]any {
		return map[string]any{"t": map[string]any{"resourceType": "aws:ecs:task", "selectionMode": "ALL", "resourceArns": []any{"arn:aws:ecs:eu-central-1:123456789012:task/shop/" + id}}}
	}
	cloud.Do(func(c *awstest.Cloud) {
		c.AddTemplate("EXTelse", map[string]any{"targets": onTask("0000"), "stopConditions": stop})
		c.AddTemplate("EXTfree", map[string]any{"targets": onTask(worker[0].ID), "stopConditions": []any{map[string]any{"source": "none"}}})
		c.AddTemplate("EXTwide", map[string]any{"targets": map[string]any{"t": map[string]any{"resourceType": "aws:ecs:task", "selectionMode": "ALL", "resourceTags": map[string]any{"team": "shop"}}}, "stopConditions": stop})
		c.AddTemplate("EXTgood", map[string]any{"targets": onTask(worker[0].ID), "stopConditions": stop})
	})
	for id, want := range map[string]string{
		"EXTnone": "no such template", "EXTelse": "which the plan does not show", "EXTfree": "has no stop condition", "EXTwide": "is not bound to the tag gameday=allowed",
	} {
		_, err := p.Before(t.Context(), worker[:1], platform.Action{Kind: "experiment", With: map[string]string{"template": id}, Lease: "l"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	a := platform.Action{Kind: "experiment", With: map[string]string{"template": "EXTgood"}}
	carry(t, func() *aws.Platform { return open(t, target) }, named(worker[0].Name), a, "is running", func() {}, func(during bool) {
		if during != slices.Contains(cloud.Experiments(), "running") {
			t.Errorf("%v, during the fault: %v", cloud.Experiments(), during)
		}
	})
	if _, err := p.Before(t.Context(), units(t, open(t, target), of("worker")), platform.Action{Kind: "experiment", With: map[string]string{"template": "EXTwide"}, Lease: "l"}); err == nil || strings.Contains(err.Error(), "no such template") {
		t.Errorf("somebody's template is gone: %v", err)
	}
}

// Links and resources of an instance are impaired by the documents that AWS keeps for it, and nothing else is promised.
func TestDocumentsOfAWS(t *testing.T) {
	cloud := shop(t)
	p := open(t, target)
	const host = "i-0000000000000002a"
	latency := platform.Impairment{Kind: "latency", Latency: 200 * time.Millisecond, Lasts: 30 * time.Second, Lease: "slow"}
	with, err := p.Standing(t.Context(), host, latency)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Impair(t.Context(), host, latency); err != nil {
		t.Fatal(err)
	}
	if said, err := p.Impaired(t.Context(), host, latency); err != nil || !strings.Contains(said, "AWSFIS-Run-Network-Latency on "+host) {
		t.Errorf("%q, %v", said, err)
	}
	sent := cloud.Calls("SendCommand")[0].Body["Parameters"].(map[string]any)
	if fmt.Sprint(sent["DelayMilliseconds"], sent["DurationSeconds"]) != "[200] [30]" {
		t.Errorf("%v", sent)
	}
	if said, err := open(t, target).Restore(t.Context(), platform.Step{Op: platform.Mend, Unit: host, Lease: "slow", With: with}); err != nil || len(cloud.Left()) > 0 {
		t.Errorf("%q, %v, left: %v", said, err, cloud.Left())
	}
	busy := platform.Pressure{Kind: "cpu", Percent: 80, Lasts: 30 * time.Second, Lease: "busy"}
	if with, err = p.Using(t.Context(), host, busy); err != nil {
		t.Fatal(err)
	}
	if err := p.Press(t.Context(), host, busy); err != nil {
		t.Fatal(err)
	}
	if said, err := p.Pressed(t.Context(), host, busy); err != nil || !strings.Contains(said, "AWSFIS-Run-CPU-Stress on "+host) {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := p.Restore(t.Context(), platform.Step{Op: platform.Mend, Unit: host, Lease: "busy", With: with}); err != nil || len(cloud.Left()) > 0 {
		t.Errorf("%v, left: %v", err, cloud.Left())
	}
	if _, err := p.Standing(t.Context(), "shop-db", latency); err == nil || !strings.Contains(err.Error(), "SSM documents run on instances") {
		t.Errorf("%v", err)
	}
	for _, i := range []platform.Impairment{{Kind: "blackhole"}, {Kind: "latency", Jitter: time.Second}, {Kind: "loss", To: &platform.Far{Service: "api"}}} {
		if p.Fits(i) == nil {
			t.Errorf("%+v is promised", i)
		}
	}
	if p.Presses(platform.Pressure{Kind: "memory"}) == nil {
		t.Error("memory is promised")
	}
}

// What fails halfway leaves nothing once it was put back.
func TestHalfway(t *testing.T) {
	for _, c := range []struct {
		denied string
		on     func(platform.Unit) bool
		a      platform.Action
	}{
		{"ReplaceNetworkAclAssociation", func(u platform.Unit) bool { return u.Zone == "eu-central-1a" }, platform.Action{Kind: "isolate"}},
		{"POST experiments", of("api"), platform.Action{Kind: "experiment", With: map[string]string{"action": "aws:ecs:stop-task", "role": "r"}, Lists: map[string][]string{"alarms": {"a"}}}},
	} {
		t.Run(c.denied, func(t *testing.T) {
			cloud := shop(t)
			p := open(t, target)
			c.a.Lease = "halfway"
			on := units(t, p, c.on)
			steps, err := p.Before(t.Context(), on, c.a)
			if err != nil {
				t.Fatal(err)
			}
			cloud.Deny(c.denied)
			if err := p.Act(t.Context(), on, c.a); err == nil {
				t.Fatal("it went through")
			}
			if len(cloud.Left()) == 0 {
				t.Fatal("it failed before anything was made")
			}
			for _, step := range steps {
				if _, err := open(t, target).Restore(t.Context(), step); err != nil {
					t.Error(err)
				}
			}
			if left := cloud.Left(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
