package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"

	"gameday/journal"
)

// progress shows a game day without a screen: a line for each thing that happens and, on a terminal, a last line that
// lives.
type progress struct {
	out   io.Writer
	width int // of the terminal; zero where there is none

	mu     sync.Mutex
	record *journal.Record
	told   int // lines of the newest run's timeline that were printed
	run    int
	begun  time.Time
	live   bool // the living line is on the screen
	drawn  time.Time
	ended  bool
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, record: &journal.Record{}, begun: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(f.Fd()) {
		if w, _, err := term.GetSize(f.Fd()); err == nil {
			p.width = w
		}
	}
	return p
}

// say prints a line of its own.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(text)
}

// print needs mu.
func (p *progress) print(text string) {
	p.wipe()
	fmt.Fprintf(p.out, "%7s  %s\n", fmt.Sprintf("%.1fs", time.Since(p.begun).Seconds()), clean(text))
}

func (p *progress) wipe() {
	if p.live {
		fmt.Fprint(p.out, "\r", ansi.EraseEntireLine)
		p.live = false
	}
}

// hear takes an event.
func (p *progress) hear(e journal.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.record.Apply(e)
	switch e.Kind {
	case journal.GamedayOpened:
		p.print(fmt.Sprintf("%s (seed %d)", p.record.Opened.Title, p.record.Opened.Seed))
	case journal.ChangeMade:
		c := p.record.Changes[len(p.record.Changes)-1]
		p.print(fmt.Sprintf("changed %s: %s → %s", c.Name, c.Old, c.New))
	case journal.Refused, journal.Waiting:
		p.print(p.record.Message.Is)
	case journal.RunStarted:
		run := p.record.Current()
		p.run, p.told = run.Run, 0
		settings := ""
		if run.Profile != "" {
			settings = " with " + run.Profile + " settings"
		}
		p.print(fmt.Sprintf("run %d: %s%s", run.Run, run.Experiment, settings))
	case journal.PhaseEntered:
		p.print("── " + string(p.record.Current().Phase))
	case journal.PlanMade:
		p.plan(p.record.Current().Plan)
	}
	if run := p.record.Current(); run != nil {
		for ; p.told < len(run.Timeline); p.told++ {
			p.print(run.Timeline[p.told].Text)
		}
		if v := run.Verdict; v != nil && e.Kind == journal.VerdictReached {
			for _, reason := range v.Reasons {
				p.print("  " + reason)
			}
		}
		p.draw(run)
	}
}

func (p *progress) plan(plan *journal.Plan) {
	for _, s := range plan.Steps {
		p.print(fmt.Sprintf("plan: %s on %s, after %s, for %s; %s", s.Fault, journal.Aimed(s.Units, s.OutOf), journal.Span(s.After), journal.Span(s.For), s.Reversibility))
	}
}

// draw shows the living line.
func (p *progress) draw(run *journal.Run) {
	if p.width == 0 || run.Ended != nil || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	held, parts := 0, []string{string(run.Phase)}
	if injected, ok := run.Injected(); ok && run.Phase == journal.Observe {
		parts = append(parts, fmt.Sprintf("%s of %s", journal.Span(p.record.Last-injected), journal.Span(run.Observe)))
	}
	for _, s := range run.Series {
		if n := len(s.Samples); n > 0 && s.Samples[n-1].Held {
			held++
		}
	}
	parts = append(parts, fmt.Sprintf("%d of %d probes in tolerance", held, len(run.Series)))
	if l := run.Load; l.Off > 0 {
		parts = append(parts, fmt.Sprintf("%d ok %d failed p99 %s", l.OK, l.Bad, journal.Span(l.P99)))
	}
	fmt.Fprint(p.out, "\r", ansi.EraseEntireLine, ansi.Truncate(clean("         "+strings.Join(parts, " · ")), p.width-1, "…"))
	p.live = true
}

// end takes the living line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.ended = true
}
