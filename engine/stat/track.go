// Package stat turns samples into statements: whether a probe held over its whole window, when it left its tolerance and
// when it was back, and how its values during a fault differ from those before.
package stat

import "time"

// Track follows one probe, sample by sample.
type Track struct {
	over, every time.Duration
	goodSince   time.Duration // offset of the first held sample after the last one that was not
	last        time.Duration
	any, good   bool
	out         bool // left, and not yet back for a whole window
}

// NewTrack follows a probe that is sampled every so often, and holds when it held over a whole window.
func NewTrack(over, every time.Duration) *Track { return &Track{over: over, every: every} }

// Feed takes the next sample. left: it is the first out of tolerance; returned: it completes the first whole window back.
func (t *Track) Feed(at time.Duration, held bool) (left, returned bool) {
	if held && (!t.any || !t.good) {
		t.goodSince = at
	}
	t.any, t.good, t.last = true, held, at
	switch {
	case !held && !t.out:
		t.out = true
		return true, false
	case t.out && t.Whole():
		t.out = false
		return false, true
	}
	return false, false
}

// Whole reports whether every sample of the last whole window was in tolerance. Samples stand for the interval that ends
// with them, so a window of n intervals is whole with n samples.
func (t *Track) Whole() bool { return t.any && t.good && t.last-t.goodSince >= t.over-t.every }

// Out reports whether the probe left its tolerance and is not yet back for a whole window.
func (t *Track) Out() bool { return t.out }

// Point is one sample of a series.
type Point struct {
	At    time.Duration
	Value float64
	Held  bool
}

// Outcome is what a fault did to one probe.
type Outcome struct {
	Detect    *time.Duration // from the injection to the first sample out of tolerance; nil if none was
	Recover   *time.Duration // from the injection to the first sample of the whole window that it is back for good; nil if it never left, or never came back
	Recovered bool           // it is back at the end, or never left
}

// Judge reads a series from the injection to the end of observation. A probe that comes back and leaves again counts as
// back only after the last time. The last window must be whole: a probe that is back for less is not back.
func Judge(series []Point, injected time.Duration, over, every time.Duration) Outcome {
	var out Outcome
	var backAt *time.Duration
	track := NewTrack(over, every)
	for _, p := range series {
		if p.At < injected {
			track.Feed(p.At, p.Held)
			continue
		}
		at := p.At - injected
		switch {
		case !p.Held:
			if out.Detect == nil {
				out.Detect = &at
			}
			backAt = nil
		case out.Detect != nil && backAt == nil:
			backAt = &at
		}
		track.Feed(p.At, p.Held)
	}
	out.Recovered = out.Detect == nil || backAt != nil && track.Whole()
	if out.Recovered {
		out.Recover = backAt
	}
	return out
}
