package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"gameday/engine/crash"
	"gameday/engine/fault"
	"gameday/engine/keeper"
	"gameday/journal"
)

const (
	revertLimit = 30 * time.Second // for which the console tries to put back before it leaves that to the keeper
	breakGlass  = "undo.md"
	byDeadline  = "its deadline"
)

// breakAndWatch carries the plan out, and returns when observation is over and everything is put back.
func (r *run) breakAndWatch() {
	if err := r.arm(); err != nil {
		r.halt(&halted{lost: true, by: "the leases could not be taken", why: err.Error()})
		return
	}
	first := make(chan struct{})
	var once sync.Once
	var faults sync.WaitGroup
	for _, p := range r.plan {
		faults.Go(func() { r.carry(p, func() { once.Do(func() { close(first) }) }) })
	}
	r.observe(first)
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	faults.Wait()
}

// arm makes the intent durable: first for the keeper, then in the journal.
func (r *run) arm() error {
	var leases []keeper.Lease
	for _, p := range r.plan {
		// Until it is injected, what that may take at most counts too.
		p.lease = p.lease.Until(p.spec.After.Std() + r.readying(p) + fault.Limit(p.spec, r.pace) + fault.Lasts(p.spec))
		p.lease.State = keeper.Armed
		leases = append(leases, p.lease)
	}
	if err := r.Leases.Arm(leases...); err != nil {
		return err
	}
	for i, p := range r.plan {
		tell := r.emitSoon
		if i == len(r.plan)-1 {
			tell = r.emit
		}
		if _, err := tell(journal.FaultArmed, r.faultBody(p)); err != nil {
			return err
		}
	}
	return nil
}

// readying is what a fault may need to get ready before its time begins.
func (r *run) readying(p *planned) time.Duration {
	if _, ok := p.fault.(fault.Preparer); ok {
		return fault.PrepareLimit
	}
	return 0
}

// ready gets a fault ready where it needs that; what was made for it goes with the revert.
func (r *run) ready(p *planned) error {
	preparer, ok := p.fault.(fault.Preparer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, fault.PrepareLimit)
	defer cancel()
	crash.Point("prepare: before " + p.spec.Kind)
	err := preparer.Prepare(ctx, p.aim)
	crash.Point("prepare: after " + p.spec.Kind)
	return err
}

func (r *run) faultBody(p *planned) journal.FaultBody {
	return journal.FaultBody{Run: r.n, ID: p.lease.ID, Fault: p.spec.Kind, Units: p.lease.Units}
}

// carry takes one fault from armed to gone. begun is called when something is touched for the first time.
func (r *run) carry(p *planned, begun func()) {
	due := time.Now().Add(p.spec.After.Std())
	if err := r.ready(p); err != nil {
		r.notReady(p, err)
		r.revert(p)
		return
	}
	if !r.wait(time.Until(due)) {
		if r.readying(p) > 0 {
			r.revert(p)
			return
		}
		_ = r.Leases.Mark(p.lease, keeper.Gone, r.cause(), "it was never injected")
		body := r.faultBody(p)
		body.By, body.Evidence = r.cause(), "it was never injected"
		_, _ = r.emit(journal.FaultReverted, body)
		return
	}
	if err := r.Leases.Kept(); err != nil {
		r.halt(&halted{by: "the keeper", why: err.Error()})
	} else {
		r.minded(p, r.inject(p, begun))
	}
	r.revert(p)
}

func (p *planned) activate(l keeper.Lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lease, p.active = l, true
}

func (p *planned) deactivate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active = false
}

// notReady tells why a fault could not be made ready, which ends the run, unless that is ending already.
func (r *run) notReady(p *planned, err error) {
	if r.ctx.Err() != nil {
		return
	}
	body := r.faultBody(p)
	body.Evidence = r.values.Hide(err.Error())
	_, _ = r.emit(journal.FaultNotInEffect, body)
	r.halt(&halted{lost: true, by: p.spec.Kind + " could not be made ready", why: body.Evidence})
}

// wait waits; it returns false at once when the run is halted.
func (r *run) wait(d time.Duration) bool {
	if d <= 0 {
		return r.ctx.Err() == nil
	}
	select {
	case <-r.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// cause says in words who ended the run, or that its time was up.
func (r *run) cause() string {
	var h *halted
	if errors.As(context.Cause(r.ctx), &h) {
		return h.Error()
	}
	return byDeadline
}

// inject breaks, proves it, and says until when it lasts.
func (r *run) inject(p *planned, begun func()) (until time.Time) {
	ctx, cancel := context.WithTimeout(r.ctx, fault.Limit(p.spec, r.pace))
	defer cancel()
	r.mu.Lock()
	r.injected = true
	r.mu.Unlock()
	at := time.Now()
	crash.Point("inject: before " + p.spec.Kind)
	err := p.fault.Inject(ctx, p.aim)
	took := time.Since(at)
	crash.Point("inject: after " + p.spec.Kind)
	begun()
	body := r.faultBody(p)
	body.Took = took
	if err != nil {
		body.Evidence = r.values.Hide(err.Error())
		_, _ = r.emit(journal.FaultNotInEffect, body)
		r.halt(&halted{lost: true, by: p.spec.Kind + " could not be injected", why: body.Evidence})
		return time.Time{}
	}
	until = time.Now().Add(fault.Lasts(p.spec))
	p.activate(p.lease.Until(fault.Lasts(p.spec)))
	_, _ = r.emit(journal.FaultInjected, body)
	_ = r.Leases.Mark(p.lease, keeper.Active, r.By, "")
	r.prove(p)
	return until
}

// prove looks until the fault is seen in effect. One that cannot be shown makes the verdict inconclusive, never held.
func (r *run) prove(p *planned) {
	body := r.faultBody(p)
	limit := fault.EffectLimit(p.spec, r.pace)
	for begun := time.Now(); ; {
		ctx, cancel := context.WithTimeout(r.sampling, limit)
		evidence, err := p.fault.InEffect(ctx, p.aim)
		cancel()
		if err == nil {
			p.shown, body.Evidence = true, evidence
			_, _ = r.emit(journal.FaultInEffect, body)
			return
		}
		if time.Since(begun) > limit || r.ctx.Err() != nil {
			body.Evidence = r.values.Hide(err.Error())
			_, _ = r.emit(journal.FaultNotInEffect, body)
			return
		}
		r.wait(r.pace.Look)
	}
}

// minded waits until a fault's time is over. A fault that its platform may end by a rule of its own is looked at meanwhile:
// when that happened, the run is over too, as by a guard.
func (r *run) minded(p *planned, until time.Time) {
	ender, ok := p.fault.(fault.Ender)
	if !ok {
		r.wait(time.Until(until))
		return
	}
	for time.Now().Before(until) && r.wait(min(r.pace.Look, time.Until(until))) {
		ctx, cancel := context.WithTimeout(r.ctx, leastPatience+r.pace.Look)
		why, err := ender.Ended(ctx, p.aim)
		cancel()
		if err == nil && why != "" {
			why = r.values.Hide(why)
			_, _ = r.emit(journal.GuardTripped, journal.Said{Run: r.n, Text: why})
			r.halt(&halted{guard: true, by: "the platform stopped the experiment", why: why})
		}
	}
}

// revert puts a fault back, unless the keeper did.
func (r *run) revert(p *planned) {
	p.deactivate()
	body := r.faultBody(p)
	body.By = r.cause()
	_, _ = r.emitSoon(journal.FaultReverting, body)
	if p.lease.Slow() { // so that the keeper does not set about it too
		_ = r.Leases.Mark(p.lease, keeper.Reverting, body.By, "")
	}
	wait := 50 * time.Millisecond
	for begun := time.Now(); ; {
		if by, evidence, done := r.doneByKeeper(p); done {
			body.By, body.Evidence = by, evidence
			break
		}
		evidence, err := keeper.Undo(context.Background(), r.Open, p.lease)
		if err == nil {
			body.Evidence = evidence
			_ = r.Leases.Mark(p.lease, keeper.Gone, body.By, evidence)
			break
		}
		body.Evidence = r.values.Hide(err.Error())
		_, _ = r.emit(journal.FaultRevertFailed, body)
		if time.Since(begun) > revertLimit {
			_ = r.Leases.Mark(p.lease, keeper.Stuck, body.By, body.Evidence)
			r.halt(&halted{lost: true, by: p.spec.Kind + " could not be put back", why: body.Evidence})
			return
		}
		time.Sleep(wait)
		wait = min(2*wait, 5*time.Second)
	}
	_, _ = r.emit(journal.FaultReverted, body)
}

func (r *run) doneByKeeper(p *planned) (by, evidence string, done bool) {
	all, err := r.Leases.Leases()
	if err != nil {
		return "", "", false
	}
	for _, l := range all {
		if l.ID == p.lease.ID && l.State == keeper.Gone {
			return l.By, l.Evidence, true
		}
	}
	return "", "", false
}

// observe watches from the first injection until its time is over or the run is halted.
func (r *run) observe(first <-chan struct{}) {
	var over <-chan time.Time
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-over:
			return
		case <-first:
			first = nil
			over = time.After(r.e.Observe.Std())
			r.enter(journal.Observe)
		case c := <-r.commandsUnlessAuto():
			r.duringRun(c)
		}
	}
}

// commandsUnlessAuto is nil where nobody is there to say anything but halt.
func (r *run) commandsUnlessAuto() <-chan Command {
	if r.Auto {
		return nil
	}
	return r.commands
}
