package probe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-shellwords"
	"github.com/redis/go-redis/v9"

	"gameday/runbook"
)

// redisProbe sends a command to Dragonfly, Redis or Valkey.
type redisProbe struct {
	client *redis.Client
	args   []any
}

func newRedis(params any, _ Tools) (Probe, error) {
	p := params.(*runbook.RedisProbe)
	words, err := shellwords.Parse(p.Command)
	if err != nil || len(words) == 0 {
		return nil, fmt.Errorf("redis: %q is not a command with arguments", p.Command)
	}
	addr, _, _ := strings.Cut(p.Addr, ",")
	client := redis.NewClient(&redis.Options{Addr: strings.TrimSpace(addr), MaxRetries: -1, PoolSize: 1, DialerRetries: 1, ContextTimeoutEnabled: true, DialTimeout: time.Second, ReadTimeout: time.Second})
	args := make([]any, len(words))
	for i, w := range words {
		args[i] = w
	}
	return &redisProbe{client, args}, nil
}

func (p *redisProbe) Measure(ctx context.Context) (Measurement, error) {
	answer, err := p.client.Do(ctx, p.args...).Result()
	if errors.Is(err, redis.Nil) {
		answer, err = nil, nil
	}
	if err != nil {
		return Measurement{}, err
	}
	values := map[string]any{}
	switch strings.ToUpper(p.args[0].(string)) {
	case "INFO":
		text, _ := answer.(string)
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				values[name] = scalar(value)
			}
		}
	case "ROLE":
		if list, ok := answer.([]any); ok {
			names := []string{"role", "offset", "replicas"}
			if len(list) > 3 {
				names = []string{"role", "primary_host", "primary_port", "link", "offset"}
			}
			for i := range min(len(list), len(names)) {
				values[names[i]] = scalar(list[i])
			}
		}
	}
	values["value"] = scalar(answer)
	number, _ := values["value"].(float64)
	return Measurement{values, number}, nil
}

func (p *redisProbe) Close() { _ = p.client.Close() }

// scalar gives numbers as float64, and lists by their length.
func scalar(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case []any:
		return float64(len(v))
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return n
		}
	}
	return v
}
