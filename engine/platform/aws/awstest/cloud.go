// Package awstest is an endpoint that speaks AWS's wire protocols and answers from a state of its own: a task that is stopped
// is gone and replaced by its service, an instance that is stopped takes its tasks with it, and what was done is seen later
// than it was done. It is for tests and benchmarks, and knows only the calls that the driver makes.
package awstest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Region and Account are where everything is; Alias is the account's.
const (
	Region  = "eu-central-1"
	Account = "123456789012"
	Alias   = "shop-staging"
)

// Cloud is the state that is answered from.
type Cloud struct {
	URL string

	// Lag is how much later something is seen than it was done; Takes is how long what AWS does by itself takes.
	Lag, Takes time.Duration
	// Account is the one that the caller's credentials are for.
	Account string

	server *httptest.Server

	mu        sync.Mutex
	calls     []Call
	throttled int
	denied    map[string]bool
	due       []event
	serial    int

	services  []*Service
	tasks     []*Task
	instances []*Instance
	groups    []*Group
	targets   []*TargetGroup
	caches    []*Cache
	databases []*Database
	subnets   []*Subnet
	acls      []*ACL
	alarms    map[string]string
	metrics   map[string]float64
	commands  []*command
	templates []*template
	running   []*experiment
	events    []told
}

// Call is one request that came in.
type Call struct {
	Name string
	At   time.Time
	Form map[string][]string // of the query protocols
	Body map[string]any      // of the JSON ones
}

// event is something that will happen.
type event struct {
	at time.Time
	do func()
}

type told struct {
	source, message string
	at              time.Time
}

// The resources.
type (
	Service struct {
		Cluster, Name string
		Desired       int
		Tags          map[string]string
		On            []string // instances that tasks are placed on in turn; none: Fargate, in Zones
		Zones         []string
		next          int
	}
	Task struct {
		ID, Cluster, Service, Zone, Instance, Status, Reason, Addr, Subnet string
		Tags                                                               map[string]string
		Since                                                              time.Time
		ended                                                              time.Time
	}
	Instance struct {
		ID, Zone, State, Group, Subnet, Addr string
		Cluster                              string // that it is a container instance of
		Draining                             bool
		Tags                                 map[string]string
		Since                                time.Time
	}
	Group struct {
		Name    string
		Desired int
		refresh string // status of the newest refresh
	}
	TargetGroup struct {
		Name    string
		Tags    map[string]string
		Targets map[string]string // id → health
	}
	Cache struct {
		Group, Status string
		Nodes         []string
		Primary       int
		Tags          map[string]string
	}
	Database struct {
		Name, Cluster, Zone, Status string
		Writer, MultiAZ             bool
		Tags                        map[string]string
	}
	Subnet struct {
		ID, VPC, Zone, ACL string
		Tags               map[string]string
	}
	ACL struct {
		ID, VPC string
		Default bool
		Tags    map[string]string
	}
)

// New starts an empty cloud.
func New() *Cloud {
	c := &Cloud{Takes: 300 * time.Millisecond, Account: Account, alarms: map[string]string{}, metrics: map[string]float64{}, denied: map[string]bool{}}
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
	c.URL = c.server.URL
	return c
}

// Close ends it.
func (c *Cloud) Close() { c.server.Close() }

// Env is what points the SDK here.
func (c *Cloud) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": c.URL, "AWS_REGION": Region, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	}
}

// Calls gives the requests of a name, or all; then it forgets none.
func (c *Cloud) Calls(name string) []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var some []Call
	for _, call := range c.calls {
		if name == "" || call.Name == name {
			some = append(some, call)
		}
	}
	return some
}

// Throttle refuses the next n requests, as AWS does where there are too many.
func (c *Cloud) Throttle(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.throttled = n
}

// Deny refuses every request of a name for want of permission.
func (c *Cloud) Deny(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.denied[name] = true
}

// Do changes the state.
func (c *Cloud) Do(change func(*Cloud)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	change(c)
}

// later lets something happen after a time. It needs mu.
func (c *Cloud) later(d time.Duration, do func()) {
	c.due = append(c.due, event{time.Now().Add(d), do})
}

// advance lets happen what is due. It needs mu.
func (c *Cloud) advance() {
	for {
		i := -1
		for j, e := range c.due {
			if !e.at.After(time.Now()) && (i < 0 || e.at.Before(c.due[i].at)) {
				i = j
			}
		}
		if i < 0 {
			return
		}
		do := c.due[i].do
		c.due = slices.Delete(c.due, i, i+1)
		do()
	}
}

// id makes an identifier that nothing else has. It needs mu.
func (c *Cloud) id() string {
	c.serial++
	return fmt.Sprintf("%08x", 0x0a1b0000+c.serial)
}

func (c *Cloud) tell(source, message string) {
	c.events = append(c.events, told{source, message, time.Now()})
}

// AddService adds an ECS service with its tasks.
func (c *Cloud) AddService(s *Service) {
	c.services = append(c.services, s)
	for range s.Desired {
		c.place(s)
	}
}

// place starts a task of a service, where there is room for it. It needs mu.
func (c *Cloud) place(s *Service) {
	t := &Task{ID: c.id() + c.id() + c.id() + c.id(), Cluster: s.Cluster, Service: s.Name, Status: "RUNNING", Tags: s.Tags, Since: time.Now().Truncate(time.Millisecond), Zone: "eu-central-1a"}
	t.Addr = fmt.Sprintf("10.0.%d.%d", c.serial/250, c.serial%250+1)
	if len(s.Zones) > 0 {
		t.Zone = s.Zones[s.next%len(s.Zones)]
	}
	if len(s.On) > 0 {
		on := c.roomFor(s)
		if on == nil {
			return
		}
		t.Instance, t.Zone, t.Subnet = on.ID, on.Zone, on.Subnet
	} else if i := slices.IndexFunc(c.subnets, func(n *Subnet) bool { return n.Zone == t.Zone }); i >= 0 {
		t.Subnet = c.subnets[i].ID
	}
	s.next++
	c.tasks = append(c.tasks, t)
}

// roomFor gives the instance that runs the fewest of a service's tasks, as ECS spreads them. It needs mu.
func (c *Cloud) roomFor(s *Service) *Instance {
	var best *Instance
	least := 0
	for _, one := range c.instances {
		if !slices.Contains(s.On, one.ID) || one.State != "running" || one.Draining {
			continue
		}
		n := 0
		for _, t := range c.tasks {
			if t.Service == s.Name && t.Instance == one.ID && t.Status == "RUNNING" {
				n++
			}
		}
		if best == nil || n < least {
			best, least = one, n
		}
	}
	return best
}

// runs counts the running tasks of a service. It needs mu.
func (c *Cloud) runs(s *Service) int {
	n := 0
	for _, t := range c.tasks {
		if t.Cluster == s.Cluster && t.Service == s.Name && t.Status == "RUNNING" {
			n++
		}
	}
	return n
}

// end ends a task; its service replaces it. It needs mu.
func (c *Cloud) end(t *Task, reason string) {
	if t.Status == "STOPPED" {
		return
	}
	t.Status, t.Reason, t.ended = "STOPPED", reason, time.Now()
	c.later(c.Takes, c.heal)
}

// heal lets every service run what it wants. It needs mu.
func (c *Cloud) heal() {
	for _, s := range c.services {
		for n := c.runs(s); n < s.Desired; n++ {
			c.place(s)
		}
		for n := c.runs(s); n > s.Desired; n-- {
			i := slices.IndexFunc(c.tasks, func(t *Task) bool { return t.Service == s.Name && t.Cluster == s.Cluster && t.Status == "RUNNING" })
			c.tasks[i].Status = "STOPPED"
		}
	}
}

// AddInstance adds an instance.
func (c *Cloud) AddInstance(i *Instance) {
	i.State, i.Since = "running", time.Now().Truncate(time.Second)
	c.instances = append(c.instances, i)
}

// move brings an instance into a state, and from there, after a time, into another. It needs mu.
func (c *Cloud) move(i *Instance, through, to string) {
	c.later(c.Lag, func() {
		i.State = through
		if through != "pending" {
			for _, t := range c.tasks {
				if t.Instance == i.ID {
					c.end(t, "Host EC2 (instance "+i.ID+") stopped")
				}
			}
		}
		c.later(c.Takes, func() {
			if i.State != through {
				return
			}
			i.State = to
			if to == "running" {
				i.Since = time.Now().Truncate(time.Second)
				c.later(c.Takes, c.heal)
			}
			if to == "terminated" && i.Group != "" {
				c.later(c.Takes, func() { c.refill(i) })
			}
		})
	})
}

// refill gives a group another instance for one that is gone. It needs mu.
func (c *Cloud) refill(gone *Instance) {
	fresh := *gone
	fresh.ID, fresh.State, fresh.Since = "i-"+c.id(), "running", time.Now().Truncate(time.Second)
	c.instances = append(c.instances, &fresh)
	for _, s := range c.services {
		if slices.Contains(s.On, gone.ID) {
			s.On = append(s.On, fresh.ID)
		}
	}
	c.later(c.Takes, c.heal)
}

func (c *Cloud) AddGroup(g *Group)             { c.groups = append(c.groups, g) }
func (c *Cloud) AddTargetGroup(g *TargetGroup) { c.targets = append(c.targets, g) }
func (c *Cloud) AddCache(g *Cache)             { g.Status = "available"; c.caches = append(c.caches, g) }
func (c *Cloud) AddDatabase(d *Database) {
	d.Status = "available"
	c.databases = append(c.databases, d)
}
func (c *Cloud) AddSubnet(s *Subnet)         { c.subnets = append(c.subnets, s) }
func (c *Cloud) AddACL(a *ACL)               { c.acls = append(c.acls, a) }
func (c *Cloud) SetAlarm(name, state string) { c.alarms[name] = state }
func (c *Cloud) SetMetric(name string, v float64) {
	c.metrics[name] = v
}

// Running counts the running tasks of a service, as seen from outside the driver.
func (c *Cloud) Running(cluster, name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	return c.runs(&Service{Cluster: cluster, Name: name})
}

// Healthy counts the healthy targets of a target group.
func (c *Cloud) Healthy(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	n := 0
	for _, g := range c.targets {
		for _, health := range g.Targets {
			if g.Name == name && health == "healthy" {
				n++
			}
		}
	}
	return n
}

// Instance gives an instance as it is.
func (c *Cloud) Instance(id string) Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	for _, i := range c.instances {
		if i.ID == id {
			return *i
		}
	}
	return Instance{}
}

// Task gives a task as it is.
func (c *Cloud) Task(id string) Task {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	for _, t := range c.tasks {
		if t.ID == id {
			return *t
		}
	}
	return Task{}
}

// ACLs tells which network ACL each subnet has, and how many there are.
func (c *Cloud) ACLs() (map[string]string, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	of := map[string]string{}
	for _, s := range c.subnets {
		of[s.ID] = s.ACL
	}
	return of, len(c.acls)
}

// Left names what faults have left: commands and experiments that run, and what was made for them.
func (c *Cloud) Left() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	var left []string
	for _, e := range c.running {
		if e.status == "running" || e.status == "initiating" {
			left = append(left, "experiment "+e.id)
		}
	}
	for _, t := range c.templates {
		if t.tags["gameday:lease"] != "" {
			left = append(left, "template "+t.id)
		}
	}
	for _, one := range c.commands {
		if one.status == "InProgress" {
			left = append(left, "command "+one.document)
		}
	}
	for _, a := range c.acls {
		if !a.Default {
			left = append(left, "network ACL "+a.ID)
		}
	}
	for _, i := range c.instances {
		if i.Draining || i.State != "running" && i.Group == "" {
			left = append(left, "instance "+i.ID+" "+i.State)
		}
	}
	return left
}

func arn(service, resource string) string {
	return "arn:aws:" + service + ":" + Region + ":" + Account + ":" + resource
}

func lastPart(text string) string { return text[strings.LastIndexAny(text, "/:")+1:] }
