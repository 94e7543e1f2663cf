// Package settings names everything about the orchestrator that can change while it runs, and the two profiles the
// story has: naive, as the system was first built, and resilient, as it was after the experiments.
//
// It does not store or watch them: that is the store's work.
package settings

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Policy says what the reaper does with a task whose worker fell silent.
type Policy string

// The reaper's policies.
const (
	ByIdempotency Policy = "by-idempotency" // requeue the idempotent, fail the others
	Requeue       Policy = "requeue"
	Fail          Policy = "fail"
)

// Backoff is an exponential wait between attempts with full jitter; the zero value waits not at all.
type Backoff struct{ Base, Max time.Duration }

// Before returns how long to wait before the given attempt (the second attempt is the first that waits).
// Full jitter, after "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
func (b Backoff) Before(attempt int) time.Duration {
	if b.Base <= 0 || attempt < 2 {
		return 0
	}
	ceiling := float64(b.Base) * math.Pow(2, float64(min(attempt-2, 40)))
	return b.Base/2 + time.Duration(rand.Float64()*min(ceiling, float64(b.Max)))
}

func (b Backoff) String() string {
	if b.Base <= 0 {
		return "off"
	}
	return b.Base.String() + "-" + b.Max.String()
}

// Settings is one consistent set. A zero duration means "off".
type Settings struct {
	VisibilityTimeout time.Duration // how long a popped task may stay unconfirmed before the queue hands it out again
	MaxAttempts       int
	RetryBackoff      Backoff
	CacheDialTimeout  time.Duration
	CacheRetries      int
	CacheBackoff      Backoff
	AbandonAfter      time.Duration // silence after which a running task counts as orphaned
	ReaperEvery       time.Duration
	ReaperPolicy      Policy
	MarkAndNotify     bool   // fail the workflow with its task, and tell of it
	Webhook           string // where failures are posted, empty for nowhere
}

// field ties one setting's public name to its place in Settings.
type field struct {
	name string
	doc  string
	get  func(*Settings) string
	set  func(*Settings, string) error
}

var fields = []field{
	duration("queue.visibility_timeout", "a popped task that is not confirmed within this goes back to the queue; off: it is gone", func(s *Settings) *time.Duration { return &s.VisibilityTimeout }),
	integer("queue.max_attempts", "attempts before a task is failed", 1, 100, func(s *Settings) *int { return &s.MaxAttempts }),
	backoff("queue.backoff", "wait between attempts, BASE-MAX, exponential with jitter", func(s *Settings) *Backoff { return &s.RetryBackoff }),
	duration("cache.dial_timeout", "how long a connection to the cache may take", func(s *Settings) *time.Duration { return &s.CacheDialTimeout }),
	integer("cache.retries", "how often a cache command is tried again", 0, 50, func(s *Settings) *int { return &s.CacheRetries }),
	backoff("cache.backoff", "wait between those tries, BASE-MAX", func(s *Settings) *Backoff { return &s.CacheBackoff }),
	duration("tasks.abandon_after", "silence of its worker after which a running task counts as orphaned", func(s *Settings) *time.Duration { return &s.AbandonAfter }),
	duration("reaper.every", "how often the leading scheduler looks for orphans and for queue entries that went missing", func(s *Settings) *time.Duration { return &s.ReaperEvery }),
	{"reaper.policy", "what happens to an orphan: by-idempotency, requeue or fail",
		func(s *Settings) string { return string(s.ReaperPolicy) },
		func(s *Settings, v string) error {
			if !slices.Contains([]Policy{ByIdempotency, Requeue, Fail}, Policy(v)) {
				return errors.New("use by-idempotency, requeue or fail")
			}
			s.ReaperPolicy = Policy(v)
			return nil
		}},
	{"failures.mark_and_notify", "fail the workflow together with its task, and tell of it: on or off",
		func(s *Settings) string { return onOff(s.MarkAndNotify) },
		func(s *Settings, v string) error {
			if v != "on" && v != "off" {
				return errors.New("use on or off")
			}
			s.MarkAndNotify = v == "on"
			return nil
		}},
	{"failures.webhook", "URL that a failed workflow is posted to; off for none",
		func(s *Settings) string { return orOff(s.Webhook) },
		func(s *Settings, v string) error {
			if v != "off" && !strings.HasPrefix(v, "http://") && !strings.HasPrefix(v, "https://") {
				return errors.New("use an http:// or https:// URL, or off")
			}
			s.Webhook = strings.TrimPrefix(v, "off")
			return nil
		}},
}

// Profiles holds the named sets.
var Profiles = map[string]Settings{
	"naive": {
		MaxAttempts: 1, CacheDialTimeout: 200 * time.Millisecond, AbandonAfter: 5 * time.Minute, ReaperPolicy: ByIdempotency,
	},
	"resilient": {
		VisibilityTimeout: 5 * time.Second, MaxAttempts: 5, RetryBackoff: Backoff{200 * time.Millisecond, 5 * time.Second},
		CacheDialTimeout: 5 * time.Second, CacheRetries: 8, CacheBackoff: Backoff{50 * time.Millisecond, 2 * time.Second},
		AbandonAfter: 10 * time.Second, ReaperEvery: 2 * time.Second, ReaperPolicy: ByIdempotency, MarkAndNotify: true,
	},
}

// Map gives every setting by its public name.
func (s Settings) Map() map[string]string {
	m := make(map[string]string, len(fields))
	for _, f := range fields {
		m[f.name] = f.get(&s)
	}
	return m
}

// Docs gives a sentence on every setting by its public name.
func Docs() map[string]string {
	m := make(map[string]string, len(fields))
	for _, f := range fields {
		m[f.name] = f.doc
	}
	return m
}

// Profile names the profile that s equals, or "custom". The webhook is a place, not a trait, and does not count.
func (s Settings) Profile() string {
	s.Webhook = ""
	for name, p := range Profiles {
		if s == p {
			return name
		}
	}
	return "custom"
}

// With returns s with the named values replaced, or every mistake in them.
func (s Settings) With(values map[string]string) (Settings, error) {
	var mistakes []error
	for name, value := range values {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			mistakes = append(mistakes, fmt.Errorf("there is no setting %q (there are: %s)", name, strings.Join(names(), ", ")))
			continue
		}
		if err := fields[i].set(&s, strings.TrimSpace(value)); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %q is not usable: %w", name, value, err))
		}
	}
	return s, errors.Join(mistakes...)
}

// Change is one setting that took another value.
type Change struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Diff lists what changed from old to s, in the settings' order.
func (s Settings) Diff(old Settings) []Change {
	var changes []Change
	for _, f := range fields {
		if was, is := f.get(&old), f.get(&s); was != is {
			changes = append(changes, Change{f.name, was, is})
		}
	}
	return changes
}

func names() []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}

func duration(name, doc string, at func(*Settings) *time.Duration) field {
	return field{name, doc,
		func(s *Settings) string {
			if *at(s) == 0 {
				return "off"
			}
			return at(s).String()
		},
		func(s *Settings, v string) error {
			if v == "off" {
				*at(s) = 0
				return nil
			}
			d, err := time.ParseDuration(v)
			if err != nil || d < time.Millisecond || d > 24*time.Hour {
				return errors.New("use a duration from 1ms to 24h such as 5s, or off")
			}
			*at(s) = d
			return nil
		}}
}

func integer(name, doc string, low, high int, at func(*Settings) *int) field {
	return field{name, doc,
		func(s *Settings) string { return strconv.Itoa(*at(s)) },
		func(s *Settings, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < low || n > high {
				return fmt.Errorf("use a whole number from %d to %d", low, high)
			}
			*at(s) = n
			return nil
		}}
}

func backoff(name, doc string, at func(*Settings) *Backoff) field {
	return field{name, doc,
		func(s *Settings) string { return at(s).String() },
		func(s *Settings, v string) error {
			if v == "off" {
				*at(s) = Backoff{}
				return nil
			}
			lo, hi, ok := strings.Cut(v, "-")
			base, err1 := time.ParseDuration(lo)
			top, err2 := time.ParseDuration(hi)
			if !ok || err1 != nil || err2 != nil || base <= 0 || top < base || top > time.Hour {
				return errors.New("use BASE-MAX such as 50ms-2s, or off")
			}
			*at(s) = Backoff{base, top}
			return nil
		}}
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func orOff(s string) string {
	if s == "" {
		return "off"
	}
	return s
}
