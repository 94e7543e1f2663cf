package fault

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// takesWrites asks a Dragonfly, Redis or Valkey node whether it is the primary.
func takesWrites(addr string) bool {
	if addr == "" {
		return false
	}
	client := redis.NewClient(&redis.Options{Addr: addr, DialTimeout: time.Second, ReadTimeout: time.Second, MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	role, err := client.Do(ctx, "ROLE").Slice()
	return err == nil && len(role) > 0 && role[0] == "master"
}
