package dependency

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// filler begins the name of every key that is written for a lease.
func filler(lease string) string { return "gameday:fill:" + lease + ":" }

func open(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("the cache's address cannot be read") // the error would quote the password
	}
	options.DialTimeout, options.ReadTimeout, options.MaxRetries, options.DialerRetries = connectLimit, 5*time.Second, -1, 1
	options.ContextTimeoutEnabled, options.DisableIdentity = true, true
	return redis.NewClient(options), nil
}

func with[T any](url string, do func(*redis.Client) (T, error)) (v T, err error) {
	client, err := open(url)
	if err != nil {
		return v, err
	}
	defer func() { _ = client.Close() }()
	return do(client)
}

// Info reads the fields of one section of INFO.
func Info(ctx context.Context, url, section string) (map[string]string, error) {
	return with(url, func(c *redis.Client) (map[string]string, error) {
		text, err := c.Info(ctx, section).Result()
		fields := map[string]string{}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				fields[name] = value
			}
		}
		return fields, err
	})
}

// Pause makes a cache keep every client that writes, or runs a script, waiting; reads go on. It ends by itself after lasts.
// (Keeping all commands waiting could not be taken back: the command that does so would wait too.)
func Pause(ctx context.Context, url string, lasts time.Duration) error {
	_, err := with(url, func(c *redis.Client) (any, error) {
		return c.Do(ctx, "CLIENT", "PAUSE", lasts.Milliseconds(), "WRITE").Result()
	})
	return err
}

// Paused shows that a write waits.
func Paused(ctx context.Context, url, lease string) (string, error) {
	const wait = 300 * time.Millisecond
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_, err := with(url, func(c *redis.Client) (any, error) {
		return c.Set(limit, filler(lease)+"look", "x", time.Second).Result()
	})
	var unanswered interface{ Timeout() bool }
	if !errors.As(err, &unanswered) || !unanswered.Timeout() {
		return "", fmt.Errorf("a write is not kept waiting (%v)", err)
	}
	return fmt.Sprintf("a write is not answered within %s", wait), nil
}

func unpause(ctx context.Context, url string) (string, error) {
	_, err := with(url, func(c *redis.Client) (any, error) { return c.Do(ctx, "CLIENT", "UNPAUSE").Result() })
	return "clients are not kept waiting any more", err
}

// Disconnect ends the connections of every client, but not those of replicas and of this program. It gives how many.
func Disconnect(ctx context.Context, url string) (int, error) {
	return with(url, func(c *redis.Client) (int, error) {
		conn := c.Conn()
		defer func() { _ = conn.Close() }()
		mine, err := conn.ClientID(ctx).Result()
		if err != nil {
			return 0, err
		}
		list, err := conn.ClientList(ctx).Result()
		if err != nil {
			return 0, err
		}
		ended := 0
		for line := range strings.Lines(list) {
			fields := map[string]string{}
			for _, f := range strings.Fields(line) {
				name, value, _ := strings.Cut(f, "=")
				fields[name] = value
			}
			if fields["id"] == "" || fields["id"] == strconv.FormatInt(mine, 10) || strings.ContainsAny(fields["flags"], "SM") {
				continue
			}
			if n, err := conn.Do(ctx, "CLIENT", "KILL", "ID", fields["id"]).Int(); err == nil {
				ended += n
			}
		}
		return ended, nil
	})
}

// Filling says how full a cache is, or why it cannot be filled.
func Filling(ctx context.Context, url string) (used, limit int64, err error) {
	fields, err := Info(ctx, url, "memory")
	if err != nil {
		return 0, 0, err
	}
	used, _ = strconv.ParseInt(fields["used_memory"], 10, 64)
	limit, _ = strconv.ParseInt(fields["maxmemory"], 10, 64)
	switch policy := fields["maxmemory_policy"]; {
	case limit == 0:
		return used, 0, errors.New("it has no memory limit (maxmemory), so it cannot be filled")
	case policy != "noeviction":
		return used, limit, fmt.Errorf("it makes room by dropping keys (%s), so filling it would lose data", policy)
	}
	return used, limit, nil
}

// Fill writes keys until the given share of the memory limit is used. They expire some seconds after lasts.
func Fill(ctx context.Context, url, lease string, percent float64, lasts time.Duration) error {
	const piece = 256 << 10
	_, err := with(url, func(c *redis.Client) (any, error) {
		value := strings.Repeat("gameday ", piece/8)
		for n := 0; ctx.Err() == nil; {
			used, limit, err := Filling(ctx, url)
			if err != nil {
				return nil, err
			}
			missing := int64(percent/100*float64(limit)) - used
			if missing <= 0 {
				return nil, nil
			}
			pipe := c.Pipeline()
			for range min(missing/piece+1, 64) {
				pipe.Set(ctx, filler(lease)+strconv.Itoa(n), value, lasts+selfEnd)
				n++
			}
			if _, err := pipe.Exec(ctx); err != nil {
				if strings.HasPrefix(err.Error(), "OOM") || strings.Contains(err.Error(), "Out of memory") {
					return nil, nil // full
				}
				return nil, err
			}
		}
		return nil, ctx.Err()
	})
	return err
}

func unfill(ctx context.Context, url, lease string) (string, error) {
	n, err := with(url, func(c *redis.Client) (int64, error) {
		var gone int64
		var cursor uint64
		for {
			keys, next, err := c.Scan(ctx, cursor, filler(lease)+"*", 1000).Result()
			if err != nil {
				return gone, err
			}
			if len(keys) > 0 {
				n, err := c.Unlink(ctx, keys...).Result()
				if err != nil {
					return gone, err
				}
				gone += n
			}
			if cursor = next; cursor == 0 {
				return gone, nil
			}
		}
	})
	return fmt.Sprintf("keys of ours that were removed: %d", n), err
}

// Flush removes every key. Nothing brings them back.
func Flush(ctx context.Context, url string) (int64, error) {
	return with(url, func(c *redis.Client) (int64, error) {
		n, err := c.DBSize(ctx).Result()
		if err == nil {
			err = c.FlushAll(ctx).Err()
		}
		return n, err
	})
}

// Primary reports whether a cache takes writes.
func Primary(ctx context.Context, url string) (bool, error) {
	return with(url, func(c *redis.Client) (bool, error) {
		role, err := c.Do(ctx, "ROLE").Slice()
		return err == nil && len(role) > 0 && role[0] == "master", err
	})
}

// FailOver asks a sentinel to make a replica the primary.
func FailOver(ctx context.Context, sentinels string) error {
	var last error
	for _, addr := range strings.FieldsFunc(sentinels, func(r rune) bool { return r == ',' || r == ' ' }) {
		_, last = with("redis://"+addr, func(c *redis.Client) (any, error) {
			masters, err := c.Do(ctx, "SENTINEL", "MASTERS").Slice()
			if err != nil || len(masters) == 0 {
				return nil, errors.Join(err, errors.New("the sentinel watches no primary"))
			}
			name, err := masterName(masters[0])
			if err != nil {
				return nil, err
			}
			return c.Do(ctx, "SENTINEL", "FAILOVER", name).Result()
		})
		if last == nil {
			return nil
		}
	}
	if last == nil {
		last = errors.New("the target has no sentinels that could fail over")
	}
	return last
}

// masterName reads the name out of one entry of SENTINEL MASTERS, which is a map or, over the older protocol, a list.
func masterName(entry any) (string, error) {
	switch e := entry.(type) {
	case map[any]any:
		if name, ok := e["name"].(string); ok {
			return name, nil
		}
	case []any:
		for i := 0; i+1 < len(e); i += 2 {
			if e[i] == "name" {
				return fmt.Sprint(e[i+1]), nil
			}
		}
	}
	return "", errors.New("the sentinel's answer cannot be read")
}
