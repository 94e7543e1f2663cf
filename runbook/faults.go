package runbook

import (
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Fault is something that is done to units.
type Fault struct {
	Kind   string
	Select Selector `key:"select" doc:"which units"`
	After  Duration `key:"after" doc:"how long to wait first"`
	For    Duration `key:"for" doc:"how long it lasts at most"`
	Params any      // of the kind, or nil

	Line int
}

// The parameters of each kind of fault.
type (
	KillParams struct {
		Signal string `key:"signal" doc:"the signal (default KILL)" oneof:"KILL,TERM,INT,QUIT,HUP,ABRT,SEGV"`
	}
	StopParams struct {
		Grace Duration `key:"grace" doc:"how long to wait before killing"`
	}
	RestartParams struct {
		Down Duration `key:"down" doc:"how long it stays down"`
	}
	LatencyParams struct {
		Latency Duration `key:"latency,required" doc:"delay to add"`
		Jitter  Duration `key:"jitter" doc:"how much it varies"`
		To      *Link    `key:"to" doc:"the far end"`
	}
	LossParams struct {
		Percent Percent `key:"percent,required" doc:"share of packets to lose"`
		To      *Link   `key:"to" doc:"the far end"`
	}
	BandwidthParams struct {
		Rate ByteRate `key:"rate,required" doc:"bytes a second"`
		To   *Link    `key:"to" doc:"the far end"`
	}
	LinkParams struct {
		To *Link `key:"to" doc:"the far end"`
	}
	PartitionParams struct {
		To        *Link  `key:"to" doc:"the far end"`
		Direction string `key:"direction" doc:"which way is cut (default both)" oneof:"out,in,both"`
	}
	DNSParams struct {
		Names []string `key:"names" doc:"names that do not resolve"`
	}
	CPUParams struct {
		Percent Percent `key:"percent,required" doc:"share of the processors to use up"`
	}
	MemoryParams struct {
		Size Size `key:"size,required" doc:"how much to take"`
	}
	IOParams struct {
		Rate ByteRate `key:"rate,required" doc:"bytes a second to write"`
	}
	DiskParams struct {
		Path  string `key:"path,required" doc:"folder to fill"`
		Leave Size   `key:"leave" doc:"how much to leave free"`
	}
	TerminateParams struct {
		Match string `key:"match" doc:"regular expression over queries or application names"`
	}
	ExhaustParams struct {
		Leave int `key:"leave" doc:"connections to leave free"`
	}
	LockParams struct {
		Table string `key:"table,required" doc:"table to lock"`
	}
	SlowParams struct {
		Delay Duration `key:"delay,required" doc:"delay of each query"`
	}
	FillParams struct {
		To Percent `key:"to,required" doc:"share of the memory limit to fill"`
	}
	ScriptParams struct {
		Inject  []string `key:"inject,required" doc:"program with arguments that breaks"`
		Revert  []string `key:"revert,required" doc:"program with arguments that puts back"`
		Timeout Duration `key:"timeout" doc:"time limit of each"`
	}
	noParams struct{}
)

// faultKinds is the table of faults.
var faultKinds = map[string]any{
	"none": noParams{},
	"kill": KillParams{}, "stop": StopParams{}, "pause": noParams{}, "restart": RestartParams{}, "remove": noParams{},
	"network.latency": LatencyParams{}, "network.loss": LossParams{}, "network.bandwidth": BandwidthParams{}, "network.reset": LinkParams{},
	"network.blackhole": LinkParams{}, "network.slow_close": LinkParams{}, "network.partition": PartitionParams{}, "network.dns": DNSParams{},
	"cpu.pressure": CPUParams{}, "memory.pressure": MemoryParams{}, "io.pressure": IOParams{}, "disk.fill": DiskParams{},
	"postgres.terminate": TerminateParams{}, "postgres.exhaust": ExhaustParams{}, "postgres.lock": LockParams{}, "postgres.read_only": noParams{}, "postgres.slow": SlowParams{},
	"cache.failover": noParams{}, "cache.pause": noParams{}, "cache.disconnect": noParams{}, "cache.fill": FillParams{}, "cache.flush": noParams{},
	"script":        ScriptParams{},
	"aws.terminate": noParams{}, "aws.refresh": RefreshParams{}, "aws.drain": noParams{}, "aws.deregister": DeregisterParams{}, "aws.failover": noParams{},
	"aws.isolate": IsolateParams{}, "aws.scale": ScaleParams{}, "aws.ssm": SSMParams{}, "aws.fis": FISParams{},
}

// FaultKinds lists every kind of fault.
func FaultKinds() []string { return sortedKeys(faultKinds) }

// LosesData reports whether a kind of fault destroys something for good, so that it is asked about twice.
func LosesData(kind string) bool { return kind == "cache.flush" }

// faultBase are the keys that every fault has.
type faultBase struct {
	Fault  string   `key:"fault,required" doc:"the kind of fault"`
	Select Selector `key:"select" doc:"which units"`
	After  Duration `key:"after" doc:"how long to wait first"`
	For    Duration `key:"for" doc:"how long it lasts at most"`
}

func (f *Fault) decode(d *decoder, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "here belongs a fault such as {fault: kill, select: {service: worker}}, not %s", describe(n))
		return
	}
	f.Line = n.Line
	var kindNode *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "fault" {
			kindNode = n.Content[i+1]
		}
	}
	var kind reflect.Type
	if kindNode != nil {
		if params, ok := faultKinds[kindNode.Value]; ok {
			f.Kind, kind = kindNode.Value, reflect.TypeOf(params)
		} else {
			d.wrong(kindNode, "there is no fault %q%s", kindNode.Value, suggest(kindNode.Value, FaultKinds()))
		}
	}
	if kind == nil {
		kind = reflect.TypeFor[noParams]()
	}
	both := reflect.New(reflect.StructOf([]reflect.StructField{
		{Name: "Base", Type: reflect.TypeFor[faultBase](), Anonymous: false},
		{Name: "Params", Type: kind},
	})).Elem()
	var fields []field
	for i, part := range []reflect.Type{reflect.TypeFor[faultBase](), kind} {
		for _, one := range fieldsOf(part) {
			one.index = append([]int{i}, one.index...)
			fields = append(fields, one)
		}
	}
	if f.Kind == "" { // its own keys cannot be judged
		fields = slices.DeleteFunc(fields, func(one field) bool { return one.index[0] == 1 })
	}
	d.known(n, both, fields)
	base := both.Field(0).Interface().(faultBase)
	f.Select, f.After, f.For = base.Select, base.After, base.For
	if f.Kind != "" {
		params := reflect.New(kind)
		params.Elem().Set(both.Field(1))
		f.Params = params.Interface()
	}
}
