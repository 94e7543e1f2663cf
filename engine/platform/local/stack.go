package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// Labels in the compose file that say what containers alone would not.
const (
	serviceLabel   = "gameday.service"
	instancesLabel = "gameday.instances"
	onceLabel      = "gameday.once"
)

// stack is the compose file as this platform runs it.
type stack struct {
	services []service
}

type service struct {
	name     string // in the compose file
	address  string // that the compose file gives it, or nothing
	counts   string // the service that its units count as
	command  []string
	env      map[string]string
	port     int  // inside a container; zero for none
	oneShot  bool // runs to its end before others start
	grace    time.Duration
	labels   map[string]string
	after    map[string]string // service → condition
	replicas []replica
}

type replica struct {
	unit     string
	instance string
	addr     string
}

// readStack reads the compose file with vars, and gives each replica its name, failure domain and a free port.
func readStack(ctx context.Context, file []byte, project string, vars map[string]string) (*stack, error) {
	loaded, err := loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  "/",
		ConfigFiles: []types.ConfigFile{{Filename: "docker-compose.yml", Content: file}},
		Environment: vars,
	}, func(o *loader.Options) { o.SetProjectName(project, true); o.SkipResolveEnvironment = false })
	if err != nil {
		return nil, fmt.Errorf("docker-compose.yml cannot be read: %w", err)
	}
	ports := portDealer{}
	defer ports.close()
	s := &stack{}
	for _, name := range loaded.ServiceNames() {
		c := loaded.Services[name]
		one := service{
			name: name, counts: name, command: c.Command, env: map[string]string{}, labels: c.Labels, grace: 10 * time.Second,
			oneShot: c.Labels[onceLabel] == "true", after: map[string]string{},
		}
		if counts := c.Labels[serviceLabel]; counts != "" {
			one.counts = counts
		}
		if c.StopGracePeriod != nil {
			one.grace = time.Duration(*c.StopGracePeriod)
		}
		for k, v := range c.Environment {
			if v != nil {
				one.env[k] = *v
			}
		}
		for k, v := range c.DependsOn {
			one.after[k] = v.Condition
		}
		for _, network := range c.Networks {
			if network != nil && network.Ipv4Address != "" {
				one.address = network.Ipv4Address
			}
		}
		one.port = containerPort(c, loaded.Services)
		instances := strings.FieldsFunc(c.Labels[instancesLabel], func(r rune) bool { return r == ',' || r == ' ' })
		if len(instances) == 0 {
			instances = []string{"i-1"}
		}
		for i := range c.GetScale() {
			r := replica{unit: fmt.Sprintf("%s-%d", name, i+1), instance: instances[i%len(instances)]}
			if one.counts != name || one.oneShot {
				r.unit = name
			}
			if !one.oneShot {
				if r.addr, err = ports.free(); err != nil {
					return nil, err
				}
			}
			one.replicas = append(one.replicas, r)
		}
		s.services = append(s.services, one)
	}
	return s, nil
}

// containerPort finds the port a service answers on: from its published ports, or from how others name it.
func containerPort(c types.ServiceConfig, all types.Services) int {
	if len(c.Ports) > 0 {
		return int(c.Ports[0].Target)
	}
	named := regexp.MustCompile(`\b` + regexp.QuoteMeta(c.Name) + `:(\d+)`)
	for _, other := range all {
		for _, v := range other.Environment {
			if v == nil {
				continue
			}
			if m := named.FindStringSubmatch(*v); m != nil {
				port, _ := strconv.Atoi(m[1])
				return port
			}
		}
	}
	return 0
}

func (s *stack) addrs(service string) []string {
	var all []string
	for _, one := range s.services {
		if one.name == service || one.counts == service {
			for _, r := range one.replicas {
				all = append(all, r.addr)
			}
		}
	}
	return all
}

// localize replaces every service:port in text, and service followed by its port, by where the service is here.
func (s *stack) localize(text string) string {
	for _, one := range s.services {
		if one.port == 0 {
			continue
		}
		at := s.addrs(one.name)
		known := regexp.QuoteMeta(one.name)
		if one.address != "" {
			known += "|" + regexp.QuoteMeta(one.address)
		}
		name := regexp.MustCompile(`\b(` + known + `)([: ])` + strconv.Itoa(one.port) + `\b`)
		text = name.ReplaceAllStringFunc(text, func(m string) string {
			if strings.Contains(m, " ") {
				return strings.Replace(at[0], ":", " ", 1)
			}
			return strings.Join(at, ",")
		})
	}
	return text
}

// portDealer hands out free loopback ports, each once; it keeps them taken until all are dealt. They lie below the range
// that outgoing connections use, so that none of those takes the port of a unit that is down for a while.
type portDealer struct{ held []net.Listener }

const lowestPort, highestPort = 20_000, 32_000

func (d *portDealer) free() (string, error) {
	for range 500 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowestPort+rand.IntN(highestPort-lowestPort)))
		if err == nil {
			d.held = append(d.held, l)
			return l.Addr().String(), nil
		}
	}
	return "", fmt.Errorf("no free port between %d and %d on 127.0.0.1", lowestPort, highestPort)
}

func (d *portDealer) close() {
	for _, l := range d.held {
		_ = l.Close()
	}
}

// order sorts services so that each comes after those it waits for.
func (s *stack) order() []service {
	var sorted []service
	done := map[string]bool{}
	for len(sorted) < len(s.services) {
		before := len(sorted)
		for _, one := range s.services {
			ready := !done[one.name] && !slices.ContainsFunc(s.services, func(o service) bool { _, waits := one.after[o.name]; return waits && !done[o.name] })
			if ready {
				sorted, done[one.name] = append(sorted, one), true
			}
		}
		if len(sorted) == before {
			return s.services
		}
	}
	return sorted
}
