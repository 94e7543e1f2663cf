package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gameday/engine/fault"
	"gameday/engine/keeper"
	"gameday/engine/load"
	"gameday/engine/platform"
	"gameday/journal"
	"gameday/runbook"
)

// run is one pass through an experiment.
type run struct {
	*Session
	n      int
	e      runbook.Experiment
	ctx    context.Context // ends with a halt; its cause says why
	stop   context.CancelCauseFunc
	load   *load.Load // nil where there is none
	probes []*watched
	pace   platform.Pace
	before []platform.Unit // as they were before the first touch

	sampling  context.Context // ends when nothing more is measured
	quiet     context.CancelFunc
	measuring sync.WaitGroup

	mu       sync.Mutex // guards what follows, and the probes' state
	plan     []*planned // written by the run's own goroutine alone
	pending  []journal.Sample
	injected bool
	over     bool
	judged   bool
	tripping map[int]time.Time // guard → since when its condition holds
}

// planned is one fault of the plan.
type planned struct {
	spec  runbook.Fault
	fault fault.Fault
	units []platform.Unit
	aim   fault.Aim
	outOf int
	lease keeper.Lease
	shown bool // in effect

	mu     sync.Mutex
	active bool            // injected, and not being put back
	ended  map[string]bool // units that went down with it
}

// halted is why a run ended before its time.
type halted struct {
	halt  bool // a person's doing
	guard bool
	lost  bool // the target, or the platform, failed
	by    string
	why   string
}

func (h *halted) Error() string {
	switch {
	case h.halt:
		return "halted by " + h.by
	case h.why == "":
		return h.by
	default:
		return h.by + ": " + h.why
	}
}

// halt ends the run at once; the first reason counts.
func (r *run) halt(why *halted) { r.stop(why) }

// perform runs an experiment from its steady state to its verdict.
func (s *Session) perform(ctx context.Context, e runbook.Experiment, count int) journal.Verdict {
	r := &run{Session: s, n: s.runs() + 1, e: e, pace: platform.PaceOf(s.Platform), tripping: map[int]time.Time{}}
	r.ctx, r.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer r.stop(nil)
	defer context.AfterFunc(ctx, func() { r.halt(&halted{halt: true, by: context.Cause(ctx).Error()}) })()
	r.sampling, r.quiet = context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.now = r
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now = nil
		s.mu.Unlock()
	}()
	if count > 0 {
		r.e.Inject = slices.Clone(r.e.Inject)
		for i := range r.e.Inject {
			r.e.Inject[i].Select.Count, r.e.Inject[i].Select.Percent = count, 0
		}
	}
	end := r.experiment(count)
	r.finish(end)
	return end.verdict
}

// ending is what a run comes to.
type ending struct {
	verdict journal.Verdict
	reasons []string
}

func (r *run) experiment(count int) ending {
	if err := r.begin(count); err != nil {
		return ending{journal.Inconclusive, []string{err.Error()}}
	}
	for _, phase := range []func() error{r.steady, r.hypothesis, r.prepare} {
		if err := phase(); err != nil {
			return r.early(err)
		}
	}
	r.breakAndWatch()
	return r.learn()
}

// early says what a run that broke nothing comes to.
func (r *run) early(err error) ending {
	var h *halted
	if errors.As(err, &h) && !h.lost {
		return ending{journal.Aborted, []string{h.Error() + " before anything was broken"}}
	}
	return ending{journal.Inconclusive, []string{err.Error()}}
}

// begin opens the run, and starts load and probes.
func (r *run) begin(count int) error {
	body := journal.RunBody{
		Run: r.n, Experiment: r.e.Name, Hypothesis: r.e.Hypothesis, Count: count, Observe: r.e.Observe.Std(), RecoverWithin: r.e.RecoverWithin.Std(),
	}
	if r.Runbook.Load != nil {
		body.Rate = float64(r.Runbook.Load.Rate)
	}
	if r.settings != nil {
		state, err := r.settings.Get(r.ctx)
		if err != nil {
			return err
		}
		body.Profile, body.Settings = state.Profile, state.Settings
	}
	for _, p := range r.Runbook.SteadyState {
		body.Probes = append(body.Probes, journal.ProbeDef{
			Name: p.Name, Expect: p.Expect.Text, Kind: p.Probe.Kind, Every: p.Every.Std(), Over: p.Over.Std(), Unit: unitOf(p),
		})
	}
	if _, err := r.emit(journal.RunStarted, body); err != nil {
		return err
	}
	if err := r.watchTarget(); err != nil {
		return err
	}
	if err := r.watchAlarms(); err != nil {
		return err
	}
	if err := r.startLoad(); err != nil {
		return err
	}
	return r.startProbes()
}

// keyPrefix begins every key that this run's load submits.
func (r *run) keyPrefix() string { return fmt.Sprintf("gameday-%s-%d-", r.token, r.n) }

func (r *run) startLoad() error {
	l := r.Runbook.Load
	if l == nil {
		return nil
	}
	spec := load.Spec{Rate: float64(l.Rate), Transport: apiTransport(r.Env)}
	if l.HTTP != nil {
		request := *l.HTTP
		request.Headers = map[string]string{}
		for k, v := range l.HTTP.Headers {
			request.Headers[k] = v
		}
		if err := r.values.ExpandAll(&request); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		spec.Method, spec.URL, spec.Header = request.Method, request.URL, http.Header{}
		for k, v := range request.Headers {
			spec.Header.Set(k, v)
		}
		spec.Body = func(uint64) []byte { return []byte(request.Body) }
	} else {
		spec.Method, spec.URL, spec.Ledger = http.MethodPost, r.Env["API_URL"]+"/v1/workflows", true
		spec.Header = http.Header{"Content-Type": {"application/json"}}
		prefix := r.keyPrefix()
		spec.Body = func(n uint64) []byte {
			body, _ := json.Marshal(map[string]string{"sample": l.Workflow, "key": fmt.Sprint(prefix, n)})
			return body
		}
	}
	r.load = load.Start(spec)
	r.measuring.Go(r.countLoad)
	return nil
}

func (r *run) enter(p journal.Phase) {
	_, _ = r.emit(journal.PhaseEntered, journal.PhaseBody{Run: r.n, Phase: p})
}

// steady waits until the steady state holds and, where somebody is there, for the word to go on.
func (r *run) steady() error {
	r.enter(journal.Steady)
	if r.Auto {
		return r.steadyAlone()
	}
	held := false
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		case c := <-r.commands:
			switch c := c.(type) {
			case Proceed:
				if out := r.outOfTolerance(); len(out) > 0 {
					r.refuse("the steady state does not hold yet: %s", strings.Join(out, "; "))
					continue
				}
				return r.baseline()
			case Expect:
				r.expect(c)
				held = false
			default:
				r.duringRun(c)
			}
		case <-tick.C:
			if !held && len(r.outOfTolerance()) == 0 {
				held = true
				if err := r.baseline(); err != nil {
					return err
				}
			}
		}
	}
}

// steadyAlone is the steady state where nobody is there.
func (r *run) steadyAlone() error {
	out, err := r.settle()
	if err != nil {
		return err
	}
	if len(out) == 0 {
		return r.baseline()
	}
	text := strings.Join(out, "; ")
	_, _ = r.emit(journal.BaselineFailed, journal.Said{Run: r.n, Text: text})
	return fmt.Errorf("the steady state was not reached within %s: %s", journal.Span(baselinePatience), text)
}

// settle gives the steady state time to hold over its whole window, and names what still does not.
func (r *run) settle() (out []string, err error) {
	deadline := time.After(baselinePatience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if out = r.outOfTolerance(); len(out) == 0 {
			return nil, nil
		}
		select {
		case <-r.ctx.Done():
			return nil, context.Cause(r.ctx)
		case <-deadline:
			return out, nil
		case <-tick.C:
		}
	}
}

// duringRun carries out what may be asked for in any phase, and refuses the rest.
func (r *run) duringRun(c Command) {
	switch c.(type) {
	case Note, Act:
		r.anytime(r.ctx, c)
	case Close:
		r.halt(&halted{halt: true, by: r.By})
		go func() { r.commands <- c }() // the session reads it once the run has ended
	default:
		r.refuse("that cannot be done in this phase")
	}
}

// await hands commands on until one of them ends the phase, or the run is halted.
func (r *run) await(take func(Command) (over bool, err error)) error {
	for {
		select {
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		case c := <-r.commands:
			if over, err := take(c); over || err != nil {
				return err
			}
		}
	}
}

// hypothesis takes beliefs and predictions until somebody says go on.
func (r *run) hypothesis() error {
	r.enter(journal.Hypothesis)
	if r.Auto {
		return nil
	}
	return r.await(func(c Command) (bool, error) {
		switch c := c.(type) {
		case Proceed:
			return true, nil
		case Believe:
			r.e.Hypothesis = c.Text
			_, _ = r.emit(journal.HypothesisWritten, journal.Said{Run: r.n, By: r.By, Text: c.Text})
		case Predict:
			_, _ = r.emit(journal.PredictionMade, journal.Prediction{Run: r.n, Who: c.Who, Holds: c.Holds, Back: c.Back})
		default:
			r.duringRun(c)
		}
		return false, nil
	})
}

// prepare shows the plan, and returns once it is confirmed and the target is still what it was planned for.
func (r *run) prepare() error {
	r.enter(journal.Inject)
	if err := r.Leases.Watch(); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(r.Seed, uint64(r.n)))
	if err := r.makePlan(random); err != nil {
		return err
	}
	if r.Auto { // with nobody to look twice, a sample that strayed while the plan was made would be the end of the run
		if _, err := r.settle(); err != nil {
			return err
		}
		return r.confirmed(r.By)
	}
	return r.await(func(c Command) (bool, error) {
		switch c := c.(type) {
		case Replan:
			return false, r.makePlan(random)
		case Confirm:
			err := r.confirmed(c.By)
			if err == nil {
				return true, nil
			}
			r.refuse("%v; look at the plan again", err)
			return false, r.makePlan(random)
		default:
			r.duringRun(c)
			return false, nil
		}
	})
}

// confirmed checks that what was planned is still so: the steady state holds, and the chosen units are the same.
func (r *run) confirmed(by string) error {
	if out := r.outOfTolerance(); len(out) > 0 {
		return fmt.Errorf("the steady state does not hold any more: %s", strings.Join(out, "; "))
	}
	units, err := r.Platform.Units(r.ctx)
	if err != nil {
		return err
	}
	for _, p := range r.plan {
		if err := fault.Same(p.units, units); err != nil {
			return err
		}
	}
	if err := r.within(r.plan, units); err != nil {
		return err
	}
	r.before = units
	_, err = r.emitSoon(journal.PlanConfirmed, journal.Said{Run: r.n, By: by})
	return err
}
