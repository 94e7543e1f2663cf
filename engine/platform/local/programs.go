package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// build turns one replica of a service into a unit that can be started here.
func (s *supervisor) build(svc service, r replica) (*unit, error) {
	u := &unit{name: r.unit, oneShot: svc.oneShot, grace: svc.grace, stop: syscall.SIGTERM, log: s.paths.unitLog(r.unit)}
	if len(svc.command) == 0 {
		return nil, fmt.Errorf("service %s has no command in docker-compose.yml, and no image can be run here", svc.name)
	}
	command := make([]string, len(svc.command))
	for i, arg := range svc.command {
		command[i] = s.stack.localize(arg)
	}
	switch {
	case command[0] == "postgres":
		s.postgres(u, svc, r, command[1:])
	case command[0] == "dragonfly":
		s.cache(u, r, command[1:])
	case command[0] == "sh" && strings.Contains(strings.Join(command, " "), "--sentinel"):
		s.sentinel(u, svc, r, command)
	case slices.Contains([]string{"migrate", "api", "worker", "scheduler"}, command[0]):
		return u, s.orchestrator(u, svc, r, command)
	default:
		return nil, fmt.Errorf("service %s runs %q, which this platform does not know how to run without its image", svc.name, command[0])
	}
	return u, nil
}

// command makes a marked command whose environment is only what it is given.
func (s *supervisor) command(path string, args, env []string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = s.paths.dir
	cmd.Env = append([]string{markVariable + "=" + s.paths.dir, "PATH=" + os.Getenv("PATH"), "HOME=" + s.paths.dir, "LANG=C.UTF-8"}, env...)
	return cmd
}

func (s *supervisor) postgres(u *unit, svc service, r replica, args []string) {
	host, port, _ := net.SplitHostPort(r.addr)
	data := s.paths.unitData(r.unit)
	bin := s.servers.PostgresBin
	u.stop = syscall.SIGINT // "fast" shutdown: it ends sessions and leaves a clean state
	as := databaseUser()
	u.program = func() (*exec.Cmd, error) {
		if err := s.initDatabase(u, svc, data, as); err != nil {
			return nil, err
		}
		forgetDeadPostmaster(data)
		all := append([]string{"-D", data, "-p", port, "-c", "listen_addresses=" + host, "-c", "unix_socket_directories=", "-c", "logging_collector=off"}, args...)
		cmd := s.command(filepath.Join(bin, "postgres"), all, nil)
		cmd.Dir, cmd.SysProcAttr = data, as
		return cmd, nil
	}
	dbEnv := []string{"PGPASSWORD=" + svc.env["POSTGRES_PASSWORD"], "PGCONNECT_TIMEOUT=2"}
	created := false
	u.ready = func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", host, "-p", port)
		if err := cmd.Run(); err != nil {
			return errors.New("PostgreSQL does not take connections yet")
		}
		if created {
			return nil
		}
		create := s.command(filepath.Join(bin, "createdb"), []string{"-h", host, "-p", port, "-U", svc.env["POSTGRES_USER"], svc.env["POSTGRES_DB"]}, dbEnv)
		if out, err := create.CombinedOutput(); err != nil && !strings.Contains(string(out), "already exists") {
			return fmt.Errorf("cannot create the database: %s", strings.TrimSpace(string(out)))
		}
		created = true
		return nil
	}
}

// initDatabase makes a new database cluster where there is none. PostgreSQL refuses to run as root, so root lends it
// another user.
func (s *supervisor) initDatabase(u *unit, svc service, data string, as *syscall.SysProcAttr) error {
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	if err := os.MkdirAll(s.paths.data(), 0o711); err != nil {
		return err
	}
	fresh := data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	secret := data + ".password"
	if err := os.WriteFile(secret, []byte(svc.env["POSTGRES_PASSWORD"]+"\n"), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(secret) }()
	if as != nil {
		for _, path := range []string{fresh, secret} {
			if err := os.Chown(path, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
				return err
			}
		}
	}
	// No sync: the cluster is empty, and one that a crash damages this early is made again.
	cmd := s.command(filepath.Join(s.servers.PostgresBin, "initdb"), []string{
		"-D", fresh, "-U", svc.env["POSTGRES_USER"], "-A", "scram-sha-256", "--pwfile=" + secret, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
	}, nil)
	cmd.Dir, cmd.SysProcAttr = s.paths.data(), as
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb failed: %s", lastLine(string(out)))
	}
	return os.Rename(fresh, data)
}

// forgetDeadPostmaster removes the lock file of a postmaster that has ended without anybody reaping it: PostgreSQL takes
// its pid, which still answers signal 0, for a running server. Its check of shared memory stays.
func forgetDeadPostmaster(data string) {
	path := filepath.Join(data, "postmaster.pid")
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if s, there := readStat(pid); err == nil && there && s.state == 'Z' {
		_ = os.Remove(path)
	}
}

// databaseUser is who PostgreSQL runs as where we are root: postgres if there is one, else nobody.
func databaseUser() *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(found.Uid)
			gid, _ := strconv.Atoi(found.Gid)
			return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// cache runs Dragonfly as the compose file says, or Redis with what these flags mean to it.
func (s *supervisor) cache(u *unit, r replica, flags []string) {
	_, port, _ := net.SplitHostPort(r.addr)
	dragonfly := filepath.Base(s.servers.Cache) == "dragonfly"
	args := []string{"--bind", "127.0.0.1", "--port", port}
	if dragonfly {
		args = []string{"--bind=127.0.0.1", "--port=" + port}
	}
	for _, flag := range flags {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		switch {
		case name == "port" || name == "bind":
		case dragonfly:
			args = append(args, flag)
		case name == "replicaof":
			host, port, _ := net.SplitHostPort(value)
			args = append(args, "--replicaof", host, port, "--repl-diskless-sync-delay", "0")
		case name == "maxmemory":
			args = append(args, "--maxmemory", value)
		}
	}
	if !dragonfly {
		args = append(args, "--save", "", "--appendonly", "no", "--repl-diskless-load", "on-empty-db")
	}
	u.program = func() (*exec.Cmd, error) { return s.command(s.servers.Cache, args, nil), nil }
	u.ready = func(ctx context.Context) error { return redisPing(ctx, r.addr) }
}

// sentinel runs the compose file's own command, with its port and its file moved to where they are the unit's own.
func (s *supervisor) sentinel(u *unit, svc service, r replica, command []string) {
	_, port, _ := net.SplitHostPort(r.addr)
	dir := s.paths.unitData(r.unit)
	script := strings.NewReplacer(
		fmt.Sprintf("port %d", svc.port), "bind 127.0.0.1\\nport "+port+"\\ndir "+dir,
		"/tmp/sentinel.conf", dir+"/sentinel.conf",
		"exec redis-server", "exec "+s.servers.Sentinel,
	).Replace(command[len(command)-1])
	u.program = func() (*exec.Cmd, error) {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, err
		}
		return s.command("/bin/sh", []string{"-c", script}, nil), nil
	}
	u.ready = func(ctx context.Context) error { return redisPing(ctx, r.addr) }
}

func (s *supervisor) orchestrator(u *unit, svc service, r replica, command []string) error {
	env := []string{"UNIT=" + r.unit}
	for name, value := range svc.env {
		if name == "LISTEN_ADDR" && r.addr != "" {
			value = r.addr
		}
		env = append(env, name+"="+s.stack.localize(value))
	}
	if !u.oneShot {
		through, err := s.lay(r.unit)
		if err != nil {
			return err
		}
		env = append(env, "DIAL_THROUGH="+through)
	}
	if svc.name == "api" {
		env = append(env, "SHARED_ADDR="+s.shared)
	}
	u.program = func() (*exec.Cmd, error) { return s.command(s.servers.Orchestrator, command, env), nil }
	if r.addr != "" {
		u.ready = func(ctx context.Context) error { return httpOK(ctx, "http://"+r.addr+"/readyz") }
	}
	return nil
}

func httpOK(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// redisPing asks as a person with a terminal would: inline, in one line.
func redisPing(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(conn, "PING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "+PONG") {
		return fmt.Errorf("%s answers %q to PING", addr, strings.TrimSpace(line))
	}
	return nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
