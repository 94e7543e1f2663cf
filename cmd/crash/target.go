package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"gameday/engine/platform"
	"gameday/engine/platform/aws/awstest"
	"gameday/engine/platform/compose"
	"gameday/engine/platform/local"
)

// target is what faults are injected into, looked at from outside.
type target struct {
	platform platform.Platform
	where    string
	env      map[string]string
	quota    string // of worker-1's processor time, under Docker, before anything
	cloud    *awstest.Cloud
}

func look(ctx context.Context, where string) (t target, err error) {
	t.where = where
	if where == "aws" {
		t.cloud, err = openShop()
		return t, err
	}
	if where == "compose" {
		for _, tool := range []string{"docker", "nsenter", "nft"} {
			if _, err := exec.LookPath(tool); err != nil {
				return t, fmt.Errorf("%s is not here, and what is left cannot be seen without it (apt-get install docker.io util-linux nftables)", tool)
			}
		}
		t.platform, err = compose.Open(ctx, project)
	} else {
		t.platform, err = local.Open(ctx, project)
	}
	if err != nil {
		return t, err
	}
	if t.env, err = t.platform.Environment(ctx); err == nil && where == "compose" {
		if t.quota = quota(ctx); t.quota == unseen {
			fmt.Println("the limits of control groups are", unseen, "and are not looked at")
		}
	}
	return t, err
}

// wrong says what is not as it was, or nothing.
func (t target) wrong(ctx context.Context) string {
	if t.cloud != nil {
		return strings.Join(t.cloud.Amiss(), ", ")
	}
	units, err := t.platform.Units(ctx)
	if err != nil {
		return err.Error()
	}
	for _, u := range units {
		if u.State != platform.Running {
			return fmt.Sprintf("%s is %s", u.Name, u.State)
		}
		if u.PID != 0 && stopped(u.PID) {
			return fmt.Sprintf("%s (pid %d) is stopped", u.Name, u.PID)
		}
	}
	for _, look := range []func(context.Context) string{t.database, t.caches} {
		if wrong := look(ctx); wrong != "" {
			return wrong
		}
	}
	if t.where == "compose" {
		return t.docker(ctx)
	}
	return t.paths(units)
}

// stopped reads a process's state from the kernel (proc(5)).
func stopped(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	rest := string(data[strings.LastIndexByte(string(data), ')')+1:])
	return strings.HasPrefix(strings.TrimSpace(rest), "T")
}

// database looks for sessions of ours, and whether it takes writes.
func (t target) database(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, t.env["POSTGRES_DSN"])
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close(ctx) }()
	var sessions int
	var readOnly string
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'gameday:%'), current_setting('default_transaction_read_only')`).Scan(&sessions, &readOnly)
	switch {
	case err != nil:
		return err.Error()
	case sessions > 0:
		return fmt.Sprintf("%d sessions of ours are open in PostgreSQL", sessions)
	case readOnly != "off":
		return "PostgreSQL is read-only"
	}
	return ""
}

// caches looks for keys of ours, and whether the primary takes writes at once.
func (t target) caches(ctx context.Context) string {
	for _, addr := range strings.Split(t.env["CACHE_ADDRS"], ",") {
		client := redis.NewClient(&redis.Options{Addr: addr, DialTimeout: time.Second, ContextTimeoutEnabled: true, MaxRetries: -1})
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		keys, _, err := client.Scan(ctx, 0, "gameday:fill:*", 1000).Result()
		cancel()
		wrong := ""
		if err == nil && len(keys) > 0 {
			wrong = fmt.Sprintf("%d keys of ours are in %s", len(keys), addr)
		}
		if wrong == "" {
			write, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			if err := client.Set(write, "crash:look", "x", time.Second).Err(); err != nil && !strings.Contains(err.Error(), "READONLY") {
				wrong = fmt.Sprintf("%s does not take writes: %v", addr, err)
			}
			cancel()
		}
		_ = client.Close()
		if wrong != "" {
			return wrong
		}
	}
	return ""
}

// paths asks PostgreSQL through the path that each worker has to it.
func (t target) paths(units []platform.Unit) string {
	for _, u := range units {
		if u.Service != "worker" {
			continue
		}
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", u.PID))
		for _, v := range strings.Split(string(environ), "\x00") {
			list, ok := strings.CutPrefix(v, "DIAL_THROUGH=")
			if !ok {
				continue
			}
			for _, pair := range strings.Split(list, ",") {
				store, proxy, _ := strings.Cut(pair, "=")
				if !strings.Contains(t.env["POSTGRES_DSN"], store) {
					continue
				}
				if took, err := ask(proxy); err != nil || took > 150*time.Millisecond {
					return fmt.Sprintf("the path from %s to PostgreSQL is impaired: %v %v", u.Name, took, err)
				}
			}
		}
	}
	return ""
}

// ask sends PostgreSQL's SSLRequest and waits for the answer.
func ask(addr string) (time.Duration, error) {
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

// docker looks for containers of ours, for rules of ours in the namespaces of workers, and at a worker's limit.
func (t target) docker(ctx context.Context) string {
	if left := output(ctx, "docker", "ps", "-aq", "--filter", "label=gameday.of="+project); left != "" {
		return "containers of ours are left: " + left
	}
	if left := output(ctx, "docker", "ps", "-a", "--filter", "name=gameday-twin", "--format", "{{.Names}}"); left != "" {
		return "a twin is left: " + left
	}
	for number := range 3 {
		pid := output(ctx, "docker", "inspect", "-f", "{{.State.Pid}}", worker(ctx, number+1))
		if rules := output(ctx, "nsenter", "-t", pid, "-n", "nft", "list", "tables"); strings.Contains(rules, "gameday-") || strings.Contains(rules, "exit status") {
			return fmt.Sprintf("rules of ours are left in worker-%d, or cannot be seen: %s", number+1, rules)
		}
	}
	if now := quota(ctx); now != t.quota {
		return fmt.Sprintf("the quota of worker-1 is %s, and was %s", now, t.quota)
	}
	return ""
}

const unseen = "not to be seen from here"

// worker gives the container of a worker, by its number.
func worker(ctx context.Context, number int) string {
	label := "label=com.docker.compose."
	return output(ctx, "docker", "ps", "-aq", "--no-trunc", "--filter", label+"project="+project, "--filter", label+"service=worker", "--filter", fmt.Sprintf("%scontainer-number=%d", label, number))
}

// quota reads the limit of worker-1's processor time from its control group.
func quota(ctx context.Context) string {
	id := worker(ctx, 1)
	for _, path := range []string{"/sys/fs/cgroup/cpu/docker/" + id + "/cpu.cfs_quota_us", "/sys/fs/cgroup/system.slice/docker-" + id + ".scope/cpu.max"} {
		if data, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(data))
		}
	}
	return unseen
}

func output(ctx context.Context, argv ...string) string {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
