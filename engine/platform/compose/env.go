package compose

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
)

const sentinelPort = 26379

// Environment gives what runbooks may use: POSTGRES_DSN where the project has one PostgreSQL, CACHE_ADDRS where it has
// caches, and API_URL where it has a service called api.
func (p *Project) Environment(ctx context.Context) (map[string]string, error) {
	containers, err := p.containers(ctx)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	var databases, caches, apis, sentinels []string
	for _, c := range containers {
		u := unitOf(c)
		switch {
		case u.Service == "sentinel":
			if ip := ownAddress(c); ip.IsValid() {
				sentinels = append(sentinels, netip.AddrPortFrom(ip, sentinelPort).String())
			}
		case isPostgres(c):
			if dsn, err := connection(c); err == nil {
				databases = append(databases, dsn)
			}
		case isCache(c) && u.Addr != "":
			caches = append(caches, u.Addr)
		case u.Service == "api" && u.Addr != "":
			apis = append(apis, u.Addr)
		}
	}
	if len(databases) == 1 {
		env["POSTGRES_DSN"] = databases[0]
	}
	if len(caches) > 0 {
		env["CACHE_ADDRS"] = strings.Join(caches, ",")
	}
	if len(sentinels) > 0 {
		env["SENTINEL_ADDRS"] = strings.Join(sentinels, ",")
	}
	if len(apis) > 0 {
		env["API_URL"] = "http://" + apis[0]
		env["API_ADDRS"] = strings.Join(apis, ",")
	}
	return env, nil
}

// Connection gives the URL of the database or cache in a unit, from the environment that its image was configured with.
func (p *Project) Connection(ctx context.Context, unit string) (string, error) {
	c, err := p.find(ctx, unit)
	if err != nil {
		return "", err
	}
	return connection(c)
}

// The ports that stores answer on.
const (
	postgresPort = 5432
	cachePort    = 6379
)

func connection(c container.InspectResponse) (string, error) {
	name := strings.TrimPrefix(c.Name, "/")
	port := uint16(cachePort)
	switch {
	case isPostgres(c):
		port = postgresPort
	case !isCache(c):
		return "", fmt.Errorf("%s is neither PostgreSQL nor a cache of Redis' kind, as far as can be seen", name)
	}
	addr := reachable(c, port)
	if addr == "" {
		return "", fmt.Errorf("%s has no address that can be reached from here; publish its port %d on 127.0.0.1", name, port)
	}
	get := variables(c)
	switch {
	case port == postgresPort:
		user := cmp.Or(get("POSTGRES_USER"), "postgres")
		u := url.URL{Scheme: "postgres", User: url.UserPassword(user, get("POSTGRES_PASSWORD")), Host: addr, Path: "/" + cmp.Or(get("POSTGRES_DB"), user), RawQuery: "sslmode=disable"}
		return u.String(), nil
	default:
		u := url.URL{Scheme: "redis", Host: addr}
		if password := cmp.Or(get("REDIS_PASSWORD"), flag(c, "requirepass")); password != "" {
			u.User = url.UserPassword("", password)
		}
		return u.String(), nil
	}
}

// variables looks up a container's environment.
func variables(c container.InspectResponse) func(name string) string {
	return func(name string) string {
		for _, pair := range c.Config.Env {
			if v, ok := strings.CutPrefix(pair, name+"="); ok {
				return v
			}
		}
		return ""
	}
}

// flag looks up --NAME=VALUE and --NAME VALUE in a container's command.
func flag(c container.InspectResponse, name string) string {
	for i, arg := range c.Config.Cmd {
		if v, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return v
		}
		if arg == "--"+name && i+1 < len(c.Config.Cmd) {
			return c.Config.Cmd[i+1]
		}
	}
	return ""
}

// servers are the programs that stores are; a container runs one where it is among the first words of its command, which
// begins with an entrypoint's script more often than not.
var servers = map[string]uint16{
	"postgres": postgresPort, "postmaster": postgresPort,
	"redis-server": cachePort, "dragonfly": cachePort, "valkey-server": cachePort, "keydb-server": cachePort,
}

func runs(c container.InspectResponse, port uint16) bool {
	words := append([]string{c.Path}, c.Args...)
	return slices.ContainsFunc(words[:min(3, len(words))], func(w string) bool { return servers[path.Base(w)] == port })
}

func isPostgres(c container.InspectResponse) bool {
	return runs(c, postgresPort) || slices.Contains(exposed(c), postgresPort) && variables(c)("POSTGRES_PASSWORD") != ""
}

func isCache(c container.InspectResponse) bool {
	sentinel := strings.Contains(strings.Join(c.Args, " "), "--sentinel")
	known := slices.ContainsFunc([]string{"redis", "dragonfly", "valkey", "keydb"}, func(w string) bool { return strings.Contains(c.Config.Image, w) })
	other := path.Base(c.Path) == "sh" || len(c.Args) > 0 && slices.Contains([]string{"sh", "bash", "redis-cli", "sleep"}, path.Base(c.Args[0]))
	return !sentinel && (runs(c, cachePort) || known && slices.Contains(exposed(c), cachePort) && !other)
}
