// Package queue keeps the ready queue, leases and cached results in Dragonfly or Redis.
//
// Nothing in here is the truth: PostgreSQL is, and everything here can be rebuilt from it. Scripts declare every key
// they touch and all keys of a queue share one hash tag, which is what Dragonfly asks of Lua.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"gameday/cmd/orchestrator/internal/settings"
	"gameday/cmd/orchestrator/internal/store"
	"gameday/cmd/orchestrator/internal/wire"
)

// The keys of the one queue there is.
const (
	readyKey  = "{q:default}:ready"   // list: what may start now
	leaseKey  = "{q:default}:leases"  // sorted set: what was taken, by when it must be confirmed
	laterKey  = "{q:default}:delayed" // sorted set: what may start later, by when
	resultTTL = 10 * time.Minute
)

// Master is the name under which Sentinel knows the primary.
const Master = "orchestrator"

// Queue is safe for concurrent use, and follows the cache.* settings while it runs.
type Queue struct {
	addrs, sentinels []string
	pool             int
	now              atomic.Pointer[connection]
}

type connection struct {
	client   *redis.Client
	settings settings.Settings
}

// Open prepares a queue on the primary that the sentinels name, or on addrs[0] where there are none. It does not wait
// for a server; pool bounds the connections.
func Open(addrs, sentinels []string, pool int, set settings.Settings) *Queue {
	logging.Disable()
	q := &Queue{addrs: addrs, sentinels: sentinels, pool: pool}
	q.Use(set)
	return q
}

// Use puts the cache.* settings in force: new commands go through a client made with them.
func (q *Queue) Use(set settings.Settings) {
	was := q.now.Load()
	if was != nil && was.settings.CacheDialTimeout == set.CacheDialTimeout && was.settings.CacheRetries == set.CacheRetries && was.settings.CacheBackoff == set.CacheBackoff {
		return
	}
	q.now.Store(&connection{q.dial(set), set})
	if was != nil {
		time.AfterFunc(10*time.Second, func() { _ = was.client.Close() }) // commands under way end first
	}
}

func (q *Queue) dial(set settings.Settings) *redis.Client {
	retries, lo, hi := set.CacheRetries, set.CacheBackoff.Base, set.CacheBackoff.Max
	if retries == 0 {
		retries = -1 // go-redis reads 0 as "the default of 3"
	}
	if lo == 0 {
		lo, hi = -1, -1
	}
	dial := set.CacheDialTimeout
	if dial == 0 {
		dial = time.Second
	}
	if len(q.sentinels) > 0 {
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: Master, SentinelAddrs: q.sentinels, MaxRetries: retries, MinRetryBackoff: lo, MaxRetryBackoff: hi,
			DialTimeout: dial, ReadTimeout: time.Second, WriteTimeout: time.Second, PoolSize: q.pool, ContextTimeoutEnabled: true, DialerRetries: 1, Dialer: dialWithin(dial),
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: q.addrs[0], MaxRetries: retries, MinRetryBackoff: lo, MaxRetryBackoff: hi,
		DialTimeout: dial, ReadTimeout: time.Second, WriteTimeout: time.Second, PoolSize: q.pool, ContextTimeoutEnabled: true, DialerRetries: 1, Dialer: dialWithin(dial),
	})
}

// dialWithin opens connections within a limit.
func dialWithin(limit time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return wire.Dial(ctx, network, addr)
	}
}

func (q *Queue) client() *redis.Client { return q.now.Load().client }

// Close ends all connections.
func (q *Queue) Close() { _ = q.client().Close() }

// Ping reports whether the primary answers.
func (q *Queue) Ping(ctx context.Context) error { return q.client().Ping(ctx).Err() }

// Push makes tasks ready to be taken.
func (q *Queue) Push(ctx context.Context, tasks []store.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	return q.client().RPush(ctx, readyKey, members(tasks)...).Err()
}

// Later makes a task ready to be taken at a time.
func (q *Queue) Later(ctx context.Context, t store.Task, at time.Time) error {
	return q.client().ZAdd(ctx, laterKey, redis.Z{Score: float64(at.UnixMilli()), Member: member(t)}).Err()
}

var take = redis.NewScript(`
local got = redis.call('LPOP', KEYS[1], ARGV[1])
if not got then return {} end
local until_ms, add = ARGV[2], {}
for i = 1, #got do
  add[#add + 1] = until_ms
  add[#add + 1] = got[i]
  if #add >= 1000 then redis.call('ZADD', KEYS[2], unpack(add)); add = {} end
end
if #add > 0 then redis.call('ZADD', KEYS[2], unpack(add)) end
return got`)

// Take pops at most n tasks. With a lease they stay known as taken until it runs out, and Sweep hands them out again;
// without one (zero) they are gone from the queue.
func (q *Queue) Take(ctx context.Context, n int, lease time.Duration) ([]store.Task, error) {
	var got []string
	var err error
	if lease <= 0 {
		got, err = q.client().LPopCount(ctx, readyKey, n).Result()
	} else {
		got, err = take.Run(ctx, q.client(), []string{readyKey, leaseKey}, n, time.Now().Add(lease).UnixMilli()).StringSlice()
	}
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return parse(got), err
}

// Wait returns when something is ready to be taken, or after at most patience.
func (q *Queue) Wait(ctx context.Context, patience time.Duration) error {
	// Moving the head of a list to its own head changes nothing, and blocks while there is none.
	err := q.client().BLMove(ctx, readyKey, readyKey, "LEFT", "LEFT", patience).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// Ack forgets the leases of tasks that were dealt with.
func (q *Queue) Ack(ctx context.Context, tasks []store.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	return q.client().ZRem(ctx, leaseKey, members(tasks)...).Err()
}

// Extend renews leases that are still there.
func (q *Queue) Extend(ctx context.Context, tasks []store.Task, lease time.Duration) error {
	if len(tasks) == 0 || lease <= 0 {
		return nil
	}
	until := float64(time.Now().Add(lease).UnixMilli())
	z := make([]redis.Z, len(tasks))
	for i, t := range tasks {
		z[i] = redis.Z{Score: until, Member: member(t)}
	}
	return q.client().ZAddXX(ctx, leaseKey, z...).Err()
}

var sweep = redis.NewScript(`
local moved = 0
for k = 2, 3 do
  local due = redis.call('ZRANGEBYSCORE', KEYS[k], '-inf', ARGV[1], 'LIMIT', 0, 500)
  if #due > 0 then
    redis.call('ZREM', KEYS[k], unpack(due))
    redis.call('RPUSH', KEYS[1], unpack(due))
    moved = moved + #due
  end
end
return moved`)

// Sweep makes ready what was delayed until now, and what was taken and not confirmed in time. It returns how many.
func (q *Queue) Sweep(ctx context.Context) (int, error) {
	return sweep.Run(ctx, q.client(), []string{readyKey, laterKey, leaseKey}, time.Now().UnixMilli()).Int()
}

// Has tells which of the tasks the queue knows in any form. It reads the whole queue: at most limit entries of each
// kind, and ok is false where there were more.
func (q *Queue) Has(ctx context.Context, limit int64) (known map[store.Task]bool, ok bool, err error) {
	pipe := q.client().Pipeline()
	ready := pipe.LRange(ctx, readyKey, 0, limit-1)
	leases, later := pipe.ZRange(ctx, leaseKey, 0, limit-1), pipe.ZRange(ctx, laterKey, 0, limit-1)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, false, err
	}
	known, ok = map[store.Task]bool{}, true
	for _, list := range [][]string{ready.Val(), leases.Val(), later.Val()} {
		ok = ok && int64(len(list)) < limit
		for _, t := range parse(list) {
			known[t] = true
		}
	}
	return known, ok, nil
}

// Depth gives the number of entries that are ready, leased and delayed.
func (q *Queue) Depth(ctx context.Context) (ready, leased, delayed int64, err error) {
	pipe := q.client().Pipeline()
	a, b, c := pipe.LLen(ctx, readyKey), pipe.ZCard(ctx, leaseKey), pipe.ZCard(ctx, laterKey)
	_, err = pipe.Exec(ctx)
	return a.Val(), b.Val(), c.Val(), err
}

// Finish passes on what a batch of finished tasks leaves, in one round trip: their results for the steps that need
// them, the released steps, and their leases to forget.
func (q *Queue) Finish(ctx context.Context, results map[store.Task][]byte, released, done []store.Task) error {
	pipe := q.client().Pipeline()
	for t, r := range results {
		pipe.Set(ctx, "result:"+member(t), r, resultTTL)
	}
	if len(released) > 0 {
		pipe.RPush(ctx, readyKey, members(released)...)
	}
	if len(done) > 0 {
		pipe.ZRem(ctx, leaseKey, members(done)...)
	}
	_, err := pipe.Exec(ctx)
	return err
}

// Recall reads cached results. missing are the tasks whose result is not there.
func (q *Queue) Recall(ctx context.Context, tasks []store.Task) (missing []store.Task, err error) {
	keys := make([]string, len(tasks))
	for i, t := range tasks {
		keys[i] = "result:" + member(t)
	}
	values, err := q.client().MGet(ctx, keys...).Result()
	if err != nil {
		return tasks, err
	}
	for i, v := range values {
		if v == nil {
			missing = append(missing, tasks[i])
		}
	}
	return missing, nil
}

func member(t store.Task) string { return t.Workflow.String() + ":" + strconv.Itoa(int(t.Step)) }

func members(tasks []store.Task) []any {
	all := make([]any, len(tasks))
	for i, t := range tasks {
		all[i] = member(t)
	}
	return all
}

func parse(list []string) []store.Task {
	tasks := make([]store.Task, 0, len(list))
	for _, s := range list {
		id, step, _ := strings.Cut(s, ":")
		var t store.Task
		var err error
		if t.Workflow, err = uuid.Parse(id); err == nil {
			var n int64
			n, err = strconv.ParseInt(step, 10, 16)
			t.Step = int16(n)
		}
		if err != nil {
			slog.Warn("the queue holds an entry that is not a task; dropped", "entry", s)
			continue
		}
		tasks = append(tasks, t)
	}
	return tasks
}
