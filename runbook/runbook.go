// Package runbook is the language that game days are written in: its types, strict decoding with line and column,
// validation, JSON Schema, and a library of ready runbooks. It does nothing but read.
package runbook

// Runbook is a whole document.
type Runbook struct {
	Version     string       `key:"gameday,required" doc:"version of the language: v1"`
	Title       string       `key:"title,required" doc:"what this game day is about"`
	Environment string       `key:"environment" doc:"rehearsal, staging or production" oneof:"rehearsal,staging,production"`
	Target      Target       `key:"target,required" doc:"the system that is broken"`
	BlastRadius *BlastRadius `key:"blast_radius" doc:"what may be down at most, whatever an experiment selects"`
	Profile     *Profile     `key:"profile" doc:"settings of the bundled stack to begin with: naive, resilient, or a map of settings"`
	Load        *Load        `key:"load" doc:"requests that go on all the time, at a constant arrival rate"`
	SteadyState []Probe      `key:"steady_state,required" doc:"what fine means, as probes with expectations"`
	Experiments []Experiment `key:"experiments,required" doc:"what is broken, and what is believed of it"`

	Source []byte `key:"-"` // the document as it was read
	Folder string `key:"-"` // where it lies; programs that it names by a relative path lie there
}

// Target names the system.
type Target struct {
	Platform string `key:"platform,required" doc:"where its units live" oneof:"local,compose,aws,kubernetes"`
	Project  string `key:"project" doc:"name of the stack or compose project; on AWS, of what the tags belong to"`

	Region   string            `key:"region" doc:"aws: the region (default: what the credentials' configuration says)"`
	Account  string            `key:"account" doc:"aws: the account number that the credentials have to be of"`
	Clusters []string          `key:"clusters" doc:"aws: the ECS clusters whose tasks and instances are units"`
	Services []string          `key:"services" doc:"aws: the ECS services whose tasks are units (default: all of the clusters')"`
	Tags     map[string]string `key:"tags" doc:"aws: tags of the instances, databases, caches, subnets and target groups that belong to the target (default: project=PROJECT)"`
	OptIn    string            `key:"opt_in" doc:"aws: the tag without which nothing is touched outside rehearsals (default gameday=allowed)"`
}

// BlastRadius bounds what an experiment may take down at once, of each service.
type BlastRadius struct {
	Count   int     `key:"count" doc:"units of a service, at most"`
	Percent Percent `key:"percent" doc:"share of a service's units, at most"`
	Healthy int     `key:"healthy" doc:"healthy units that are left of a service, at least (1 outside rehearsals on AWS)"`
}

// Profile is a named set of settings, or single ones.
type Profile struct {
	Name     string
	Settings map[string]string
}

// Load is an open model: requests leave at their time, whether or not earlier ones were answered.
type Load struct {
	Rate     Rate   `key:"rate,required" doc:"arrivals, such as 40/s"`
	Workflow string `key:"workflow" doc:"a sample workflow of the bundled orchestrator" oneof:"fan-out,sequence,diamond,noop"`
	HTTP     *HTTP  `key:"http" doc:"a request to send instead"`
}

// Experiment is one thing that is broken, and what is believed of it.
type Experiment struct {
	Name          string   `key:"name,required" doc:"short name, without spaces"`
	Hypothesis    string   `key:"hypothesis,required" doc:"what is believed will happen"`
	Inject        []Fault  `key:"inject,required" doc:"the faults"`
	Observe       Duration `key:"observe" doc:"how long to watch, from the first injection"`
	RecoverWithin Duration `key:"recover_within" doc:"by when the steady state is back, from the first injection"`
	Guards        []Guard  `key:"guards" doc:"what stops the experiment at once"`
	Invariants    []string `key:"invariants" doc:"what must be true of all accepted work afterwards" oneof:"nothing-lost,nothing-twice,nothing-stuck,stores-agree"`
	Escalate      []int    `key:"escalate" doc:"repeat with these counts, while the last one held"`

	Line int `key:"-"`
}

// Guard stops an experiment when its condition holds for a time.
type Guard struct {
	When    Expression `key:"when" doc:"condition over load.* and probes[\"name\"]"`
	Alarm   string     `key:"alarm" doc:"instead of when: a CloudWatch alarm that must not be in alarm"`
	Lasting Duration   `key:"lasting" doc:"how long it must hold"`
}

// Selector names units.
type Selector struct {
	Service  string  `key:"service" doc:"units of this service"`
	Instance string  `key:"instance" doc:"units of this failure domain"`
	Zone     string  `key:"zone" doc:"units of this zone"`
	Unit     string  `key:"unit" doc:"this unit"`
	Pick     string  `key:"pick" doc:"which of them: random (default), first, oldest, all; primary: the cache node that takes writes" oneof:"random,first,oldest,all,primary"`
	Count    int     `key:"count" doc:"how many of them (default 1; all of an instance)"`
	Percent  Percent `key:"percent" doc:"how many of them, rounded up"`
}

// Link is the far end of a connection.
type Link struct {
	Service string `key:"service,required" doc:"the service that is talked to"`
	Port    int    `key:"port" doc:"its port"`
}

// Defaults that the decoder puts in.
const (
	defaultEvery   = 250_000_000 // 250 ms
	defaultOver    = 1_000_000_000
	defaultObserve = 30_000_000_000
)

// Samples are the bundled orchestrator's workflows that a load may name.
var Samples = []string{"fan-out", "sequence", "diamond", "noop"}

// Invariants lists what may be asked of all accepted work.
var Invariants = []string{"nothing-lost", "nothing-twice", "nothing-stuck", "stores-agree"}
