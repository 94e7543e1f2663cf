// Package engine runs a runbook against a target: commands go in, everything that happens comes out as events, and the
// journal's log is the truth.
package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gameday/engine/check"
	"gameday/engine/crash"
	"gameday/engine/fault"
	"gameday/engine/keeper"
	"gameday/engine/platform"
	"gameday/engine/secret"
	"gameday/journal"
	"gameday/runbook"
)

// Options are what a session is made of.
type Options struct {
	Runbook  *runbook.Runbook
	Platform platform.Platform
	Target   platform.Target   // where Open finds the platform
	Open     platform.Opener   // finds the platform again, to put things back
	Radius   fault.Radius      // what may be down at most
	Env      map[string]string // what the target gives for ${NAME}
	Leases   *keeper.Console
	Log      *journal.Log
	Folder   string // of the game day
	Seed     uint64
	By       string // who leads it
	Auto     bool   // nobody is there to say Proceed and Confirm
	Told     func(journal.Event)
}

// Session is a game day under way.
type Session struct {
	Options
	values   *secret.Values
	settings *Settings // nil where the target has none
	commands chan Command
	remarks  []string
	token    string // part of every key that this session's load submits

	mu     sync.Mutex
	record *journal.Record
	broken error // the journal cannot be written any more
	now    *run  // the run under way
}

// Unfit says that a runbook cannot be run against this target as it is written.
type Unfit struct{ Err error }

func (u *Unfit) Error() string { return u.Err.Error() }
func (u *Unfit) Unwrap() error { return u.Err }

// baselinePatience is how long a run without a person waits for the steady state.
const baselinePatience = 60 * time.Second

// sweepLimit bounds the last look at what was made for faults.
const sweepLimit = 5 * time.Second

// New makes a session, or says why the runbook does not fit the target.
func New(ctx context.Context, o Options) (*Session, error) {
	s := &Session{
		Options: o, values: secret.New(o.Env), commands: make(chan Command, 16), record: &journal.Record{},
		token: strings.ToLower(rand.Text()[:8]),
	}
	if o.Env["API_URL"] != "" {
		s.settings = NewSettings(o.Env)
	}
	if err := s.fits(ctx); err != nil {
		return nil, err
	}
	o.Leases.OnLost(s.keeperLost)
	return s, nil
}

// fits looks for everything that would fail later, and says all of it.
func (s *Session) fits(ctx context.Context) error {
	units, err := s.Platform.Units(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for _, e := range s.Runbook.Experiments {
		for _, f := range e.Inject {
			made, err := fault.New(f)
			if err == nil {
				err = made.Needs(s.Platform)
			}
			if err == nil && !fault.Unaimed(f) {
				err = fault.Check(f.Select, units)
			}
			if err != nil {
				wrong = append(wrong, fmt.Errorf("experiment %s, line %d: %w", e.Name, f.Line, err))
			}
		}
	}
	for _, p := range s.Runbook.SteadyState {
		if p.Probe.Kind == "load" {
			continue // there is no load yet
		}
		made, err := s.probe(p, nil)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("probe %q: %w", p.Name, err))
			continue
		}
		made.Close()
	}
	if l := s.Runbook.Load; l != nil && l.Workflow != "" && s.settings == nil {
		wrong = append(wrong, errors.New("load.workflow needs the bundled orchestrator, and this target gives no API_URL; use load.http"))
	}
	if len(wrong) > 0 {
		return &Unfit{errors.Join(wrong...)}
	}
	return nil
}

// Do hands a command over. A halt takes effect at once, whatever is under way.
func (s *Session) Do(c Command) {
	if h, ok := c.(Halt); ok {
		s.mu.Lock()
		now := s.now
		s.mu.Unlock()
		if now != nil {
			now.halt(&halted{halt: true, by: h.By})
		}
		return
	}
	s.commands <- c
}

// within opens the game day, does something in it, and closes it.
func (s *Session) within(ctx context.Context, do func() error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return errors.Join(do(), s.failure(), s.close())
}

// Run opens the game day and follows commands until Close comes or ctx ends.
func (s *Session) Run(ctx context.Context) error {
	return s.within(ctx, func() error {
		for s.failure() == nil {
			select {
			case <-ctx.Done():
				return nil
			case c := <-s.commands:
				switch c := c.(type) {
				case Close:
					return nil
				case Start:
					if e, ok := s.experiment(c.Experiment); ok {
						s.perform(ctx, e, c.Count)
					}
				default:
					s.anytime(ctx, c)
				}
			}
		}
		return nil
	})
}

// Play opens the game day, runs every experiment without asking anybody, and closes it.
// An experiment that escalates is run again with a larger blast radius only while the last run held.
func (s *Session) Play(ctx context.Context) error {
	return s.within(ctx, func() error {
		for _, e := range s.Runbook.Experiments {
			s.escalate(ctx, e)
			if s.over(ctx) {
				break
			}
		}
		return nil
	})
}

func (s *Session) escalate(ctx context.Context, e runbook.Experiment) {
	counts := e.Escalate
	if len(counts) == 0 {
		counts = []int{0}
	}
	for _, count := range counts {
		if verdict := s.perform(ctx, e, count); verdict != journal.Held || ctx.Err() != nil {
			return
		}
	}
}

// over reports whether nothing more is to be run.
func (s *Session) over(ctx context.Context) bool {
	return s.halted() || s.failure() != nil || ctx.Err() != nil
}

// Remark keeps a remark that belongs to the whole game day: it is told once the day is open.
func (s *Session) Remark(text string) { s.remarks = append(s.remarks, text) }

// halted reports whether a person stopped the newest run: then nothing more is run.
func (s *Session) halted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.record.Current()
	return run != nil && run.Verdict != nil && run.Verdict.Verdict == journal.Aborted
}

// Rehearse plays an experiment, alters the settings, and plays it again: the story of the bundled stack by itself.
func (s *Session) Rehearse(ctx context.Context, name string, change Change) error {
	return s.within(ctx, func() error {
		e, ok := s.experiment(name)
		if !ok {
			return fmt.Errorf("the runbook has no experiment %q", name)
		}
		s.perform(ctx, e, 0)
		if s.over(ctx) {
			return nil
		}
		if err := s.alter(ctx, change); err != nil {
			return err
		}
		s.perform(ctx, e, 0)
		return nil
	})
}

func (s *Session) experiment(name string) (runbook.Experiment, bool) {
	for _, e := range s.Runbook.Experiments {
		if e.Name == name || name == "" {
			return e, true
		}
	}
	s.refuse("there is no experiment %q in this runbook", name)
	return runbook.Experiment{}, false
}

func (s *Session) open(ctx context.Context) error {
	units, err := s.Platform.Units(ctx)
	if err != nil {
		return err
	}
	s.emit(journal.GamedayOpened, journal.Opened{
		Title: s.Runbook.Title, Environment: s.Runbook.Environment, Platform: s.Runbook.Target.Platform, Project: s.Runbook.Target.Project, Account: s.Target.Account, Region: s.Target.Region, Seed: s.Seed, By: s.By,
	})
	s.emit(journal.UnitsSeen, journal.Units{Units: seen(units)})
	for _, text := range s.remarks {
		s.emit(journal.NoteAdded, journal.Said{By: s.By, Text: text})
	}
	if p := s.Runbook.Profile; p != nil && s.settings != nil {
		change := Change{Profile: p.Name, Values: p.Settings, By: s.By, Why: "the profile that the game day begins with"}
		if err := s.alter(ctx, change); err != nil {
			return err
		}
	}
	return s.failure()
}

// close ends the game day, and renders its journal.
func (s *Session) close() error {
	if all, err := s.Leases.Leases(); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), sweepLimit)
		keeper.Sweep(ctx, s.Platform, all)
		cancel()
	}
	s.emit(journal.GamedayClosed, journal.Said{By: s.By})
	err := s.Log.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, journal.ExportRecord(s.Folder, s.record), s.Leases.Close())
}

// anytime carries out what may be asked for at any time.
func (s *Session) anytime(ctx context.Context, c Command) {
	switch c := c.(type) {
	case Note:
		s.emit(journal.NoteAdded, journal.Said{Run: s.runs(), By: c.By, Text: c.Text})
	case Act:
		s.emit(journal.ActionAdded, journal.Action{Run: s.runs(), What: c.What, Owner: c.Owner, Due: c.Due})
	case Alter:
		if err := s.alter(ctx, c.Change); err != nil {
			s.refuse("%v", err)
		}
	default:
		s.refuse("that cannot be done now")
	}
}

func (s *Session) alter(ctx context.Context, c Change) error {
	if s.settings == nil {
		return errors.New("this target has no settings that could be changed from here")
	}
	changed, err := s.settings.Apply(ctx, c)
	if err != nil {
		return err
	}
	for _, one := range changed {
		s.emit(journal.ChangeMade, journal.Change{AfterRun: s.runs(), Name: one.Name, Old: one.Old, New: one.New, By: c.By, Why: c.Why})
	}
	return nil
}

// refuse says that something was asked for that cannot be.
func (s *Session) refuse(format string, args ...any) {
	s.emit(journal.Refused, journal.Said{Run: s.runs(), Text: s.values.Hide(fmt.Sprintf(format, args...))})
}

func (s *Session) runs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.record.Runs)
}

// emit makes an event durable, folds it and tells it.
func (s *Session) emit(kind journal.Kind, body any) (journal.Event, error) {
	crash.Point("event: before " + string(kind))
	e, err := s.happened(s.Log.Add, kind, body)
	crash.Point("event: after " + string(kind))
	return e, err
}

// emitSoon is emit for what may be durable a moment later.
func (s *Session) emitSoon(kind journal.Kind, body any) (journal.Event, error) {
	return s.happened(s.Log.AddSoon, kind, body)
}

func (s *Session) happened(add func(journal.Kind, any) (journal.Event, error), kind journal.Kind, body any) (journal.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := add(kind, body)
	if err != nil {
		if s.broken == nil {
			s.broken = err
			if s.now != nil {
				s.now.halt(&halted{by: "the journal", why: err.Error()})
			}
		}
		return e, err
	}
	s.record.Apply(e)
	if s.Told != nil {
		s.Told(e)
	}
	return e, nil
}

// failure is what keeps the journal from being written, or nil.
func (s *Session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// Result is what came of all runs so far.
func (s *Session) Result() journal.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return journal.Summarize(s.record)
}

// Story tells the game day so far, and puts its runs side by side.
func (s *Session) Story() ([]string, []journal.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return journal.Story(s.record), journal.Compare(s.record.Runs)
}

// SettingsState gives the target's settings, for a screen to offer; it is an error where the target has none.
func (s *Session) SettingsState(ctx context.Context) (SettingsState, error) {
	if s.settings == nil {
		return SettingsState{}, errors.New("this target has no settings that could be changed from here")
	}
	return s.settings.Get(ctx)
}

func (s *Session) keeperLost(why string) {
	s.mu.Lock()
	now, n := s.now, len(s.record.Runs)
	s.mu.Unlock()
	if now == nil {
		return
	}
	s.emit(journal.KeeperLost, journal.Said{Run: n, Text: why})
	if s.Leases.Kept() != nil {
		now.halt(&halted{by: "the keeper", why: why})
	}
}

// stores says where checkers look.
func (s *Session) stores() (check.Target, error) {
	dsn, caches := s.Env["POSTGRES_DSN"], s.Env["CACHE_ADDRS"]
	if dsn == "" || caches == "" {
		return check.Target{}, errors.New("the target does not say where its stores are")
	}
	return check.Target{DSN: dsn, Caches: strings.FieldsFunc(caches, func(r rune) bool { return r == ',' || r == ' ' })}, nil
}

func seen(units []platform.Unit) []journal.Unit {
	all := make([]journal.Unit, len(units))
	for i, u := range units {
		all[i] = unitSeen(u)
	}
	return all
}

func unitSeen(u platform.Unit) journal.Unit {
	return journal.Unit{Unit: u.Name, Service: u.Service, Instance: u.Instance, Zone: u.Zone, State: string(u.State), Health: u.Health, ID: u.ID, Exit: u.Exit}
}
