package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gameday/engine/dependency"
	"gameday/engine/platform"
)

// inside is a fault inside a database or cache, over its own protocol.
type inside struct {
	// check looks whether it can be done, and gives what puts it back, or nothing.
	check func(ctx context.Context, url string) (map[string]string, error)
	do    func(ctx context.Context, url string, a Aim) error
	shown func(ctx context.Context, url string, a Aim) (string, error)
}

func (inside) Needs(p platform.Platform) error {
	if _, ok := p.(platform.Stores); !ok {
		return errors.New("this platform does not say how to talk to a database or cache")
	}
	return nil
}

func (f inside) Undo(ctx context.Context, a Aim) (Undo, error) {
	var undo Undo
	for _, u := range a.Units {
		url, err := a.Platform.(platform.Stores).Connection(ctx, u.Name)
		if err != nil {
			return nil, err
		}
		with, err := f.check(ctx, url)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Name, err)
		}
		if with != nil {
			undo = append(undo, platform.Step{Op: platform.Settle, Unit: u.Name, Lease: a.Lease, With: with})
		}
	}
	return undo, nil
}

func (f inside) Inject(ctx context.Context, a Aim) error {
	return each(a.Units, func(u platform.Unit) error {
		url, err := a.Platform.(platform.Stores).Connection(ctx, u.Name)
		if err != nil {
			return err
		}
		return f.do(ctx, url, a)
	})
}

func (f inside) InEffect(ctx context.Context, a Aim) (string, error) {
	return gather(a.Units, func(u platform.Unit) (string, error) {
		url, err := a.Platform.(platform.Stores).Connection(ctx, u.Name)
		if err != nil {
			return "", err
		}
		said, err := f.shown(ctx, url, a)
		return u.Name + ": " + said, err
	})
}

// database and cache are checks that find nothing to put back, only that the server answers.
func database(ctx context.Context, url string) (map[string]string, error) {
	_, err := dependency.Default(ctx, url)
	return nil, err
}

func cache(ctx context.Context, url string) (map[string]string, error) {
	_, err := dependency.Primary(ctx, url)
	return nil, err
}

// settledBy is a check that gives one way back.
func settledBy(do string, first func(ctx context.Context, url string) (map[string]string, error)) func(context.Context, string) (map[string]string, error) {
	return func(ctx context.Context, url string) (map[string]string, error) {
		if _, err := first(ctx, url); err != nil {
			return nil, err
		}
		return map[string]string{dependency.Do: do}, nil
	}
}

// tally remembers what an act that is over at once did, so that it can be shown.
type tally struct {
	mu   sync.Mutex
	n    map[string]int64
	what string // of which there were n
}

func (t *tally) set(url string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int64{}
	}
	t.n[url] = n
}

func (t *tally) shown(_ context.Context, url string, _ Aim) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[url] == 0 {
		return "", fmt.Errorf("there were no %s", t.what)
	}
	return fmt.Sprintf("%s: %d", t.what, t.n[url]), nil
}

func terminate(match string) inside {
	t := &tally{what: "sessions that were ended"}
	return inside{check: database, shown: t.shown, do: func(ctx context.Context, url string, _ Aim) error {
		n, err := dependency.Terminate(ctx, url, match)
		t.set(url, int64(n))
		return err
	}}
}

func exhaust(leave int) inside {
	var held dependency.Sessions
	return inside{
		check: settledBy(dependency.EndSessions, database),
		do: func(ctx context.Context, url string, a Aim) error {
			_, err := held.Exhaust(ctx, url, a.Lease, leave, a.Lasts)
			return err
		},
		shown: func(ctx context.Context, url string, a Aim) (string, error) {
			n, limit, err := dependency.Held(ctx, url, a.Lease)
			if err == nil && n == 0 {
				err = errors.New("no connection is held")
			}
			return fmt.Sprintf("%d of %d connections are held", n, limit), err
		},
	}
}

func lockTable(table string) inside {
	var held dependency.Sessions
	return inside{
		check: settledBy(dependency.EndSessions, func(ctx context.Context, url string) (map[string]string, error) {
			return nil, dependency.TableThere(ctx, url, table)
		}),
		do: func(ctx context.Context, url string, a Aim) error {
			return held.Lock(ctx, url, a.Lease, table, a.Lasts)
		},
		shown: func(ctx context.Context, url string, a Aim) (string, error) {
			return dependency.Locked(ctx, url, a.Lease, table)
		},
	}
}

func readOnly() inside {
	return inside{
		check: func(ctx context.Context, url string) (map[string]string, error) {
			was, err := dependency.ReadOnlyWas(ctx, url)
			if err == nil && was == "on" {
				err = errors.New("it is read-only already")
			}
			return map[string]string{dependency.Do: dependency.WriteAgain, dependency.Was: was}, err
		},
		do: func(ctx context.Context, url string, _ Aim) error { return dependency.ReadOnly(ctx, url) },
		shown: func(ctx context.Context, url string, _ Aim) (string, error) {
			now, err := dependency.Default(ctx, url)
			if err == nil && now != "on" {
				err = errors.New("transactions may write as before")
			}
			return "transactions are read-only by default", err
		},
	}
}

func pauseCache() inside {
	return inside{
		check: settledBy(dependency.Unpause, cache),
		do:    func(ctx context.Context, url string, a Aim) error { return dependency.Pause(ctx, url, a.Lasts) },
		shown: func(ctx context.Context, url string, a Aim) (string, error) {
			return dependency.Paused(ctx, url, a.Lease)
		},
	}
}

func disconnect() inside {
	t := &tally{what: "connections that were ended"}
	return inside{check: cache, shown: t.shown, do: func(ctx context.Context, url string, _ Aim) error {
		n, err := dependency.Disconnect(ctx, url)
		t.set(url, int64(n))
		return err
	}}
}

func fillCache(percent float64) inside {
	return inside{
		check: settledBy(dependency.Unfill, func(ctx context.Context, url string) (map[string]string, error) {
			_, _, err := dependency.Filling(ctx, url)
			return nil, err
		}),
		do: func(ctx context.Context, url string, a Aim) error {
			return dependency.Fill(ctx, url, a.Lease, percent, a.Lasts)
		},
		shown: func(ctx context.Context, url string, _ Aim) (string, error) {
			used, limit, err := dependency.Filling(ctx, url)
			if err == nil && float64(used) < (percent-2)/100*float64(limit) {
				err = fmt.Errorf("only %d of %d bytes are used", used, limit)
			}
			return fmt.Sprintf("%d of %d bytes are used", used, limit), err
		},
	}
}

func flush() inside {
	t := &tally{what: "keys that were removed"}
	return inside{check: cache, shown: t.shown, do: func(ctx context.Context, url string, _ Aim) error {
		n, err := dependency.Flush(ctx, url)
		t.set(url, n)
		return err
	}}
}

func failOver() inside {
	return inside{
		check: func(ctx context.Context, url string) (map[string]string, error) {
			primary, err := dependency.Primary(ctx, url)
			if err == nil && !primary {
				err = errors.New("it is not the primary, so it cannot fail over; select it with pick: primary")
			}
			return nil, err
		},
		do: func(ctx context.Context, _ string, a Aim) error {
			env, err := a.Platform.Environment(ctx)
			if err != nil {
				return err
			}
			return dependency.FailOver(ctx, env["SENTINEL_ADDRS"])
		},
		shown: func(ctx context.Context, url string, a Aim) (string, error) {
			for _, u := range a.All { // the old primary learns of it later
				other, err := a.Platform.(platform.Stores).Connection(ctx, u.Name)
				if err != nil || other == url || u.Service != a.Units[0].Service {
					continue
				}
				if primary, err := dependency.Primary(ctx, other); err == nil && primary {
					return u.Name + " is the primary now", nil
				}
			}
			return "", errors.New("no other node is the primary yet")
		},
	}
}
