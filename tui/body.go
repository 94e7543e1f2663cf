package tui

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"gameday/journal"
	"gameday/tui/component"
)

// body draws what lies between the steps and the keys.
func (m *model) body(width, height int) []string {
	run := m.record.Current()
	if run == nil {
		return m.welcome(width)
	}
	if m.wide() {
		right := min(58, width*2/5)
		left := width - right - 2
		return component.Beside(component.Block(m.mainPane(run, left, height), left, height), component.Block(m.sidePane(run, right, height), right, height), 2)
	}
	switch {
	case m.pane == paneTimeline:
		return m.sidePane(run, width, height)
	case m.pane == paneChange && run.Ended != nil:
		return append([]string{component.Rule("what could be changed, live", width)}, m.offer.lines(width, height-1)...)
	}
	return m.mainPane(run, width, height)
}

// welcome says what the game day is about before anything has begun.
func (m *model) welcome(width int) []string {
	e := m.experiment()
	lines := []string{"", component.Strong.Render(journal.Plain(m.Runbook.Title)), ""}
	lines = append(lines, component.Wrap("You will say what fine means and see it proven with live numbers, write down what you believe will happen, see exactly what is about to be broken, break it, watch, and learn. Everything is put back, and a journal is written.", width-2)...)
	lines = append(lines, "", component.Rule("the experiment: "+journal.Plain(e.Name), width-1))
	lines = append(lines, component.Wrap(journal.Plain(e.Hypothesis), width-2)...)
	var units []string
	for _, u := range m.record.Units {
		where := " on " + u.Instance
		if u.Zone != "" {
			where = " in " + u.Zone
		}
		units = append(units, u.Unit+where)
	}
	lines = append(lines, "", component.Rule("the target", width-1))
	lines = append(lines, component.Wrap(journal.Plain(strings.Join(units, ", ")), width-2)...)
	for i := range lines {
		lines[i] = " " + lines[i]
	}
	return lines
}

// mainPane is the phase's own words, the probes, and as much chart as there is room for.
func (m *model) mainPane(run *journal.Run, width, height int) []string {
	if run.Ended != nil {
		return m.learned(run, width, height)
	}
	lines := m.words(run, width)
	lines = append(lines, component.Rule("probes", width))
	lines = append(lines, m.probes(run, width)...)
	return append(lines, m.charts(run, width, height-len(lines))...)
}

// words says what a phase is for, and what it needs.
func (m *model) words(run *journal.Run, width int) []string {
	wrap := func(text string) []string { return component.Wrap(journal.Plain(text), width) }
	switch run.Phase {
	case journal.Steady, "":
		if run.Baseline == nil {
			return wrap("What does fine mean? These probes measure it, under load. Nothing may be armed before every one of them has held over its whole window.")
		}
		return append([]string{component.Good.Render("The steady state holds.")}, wrap(m.suggestion(run.Series[min(m.probe, len(run.Series)-1)].Def.Name))...)
	case journal.Hypothesis:
		lines := []string{component.Strong.Render("We believe:")}
		lines = append(lines, wrap(run.Hypothesis)...)
		if len(run.Predictions) == 0 {
			return append(lines, component.Faint.Render("Nobody has made a prediction yet (p)."))
		}
		for _, p := range run.Predictions {
			lines = append(lines, "· "+journal.Plain(prediction(p)))
		}
		return lines
	case journal.Inject:
		return m.planWords(run, width)
	case journal.Observe:
		return m.observeWords(run, width)
	default:
		return wrap("The load has ended. Looking at the target, and at what became of all acknowledged work …")
	}
}

func prediction(p journal.Prediction) string {
	switch {
	case !p.Holds:
		return p.Who + ": it does not hold"
	case p.Back > 0:
		return fmt.Sprintf("%s: it holds, and is back within %s", p.Who, journal.Span(p.Back))
	default:
		return p.Who + ": it holds"
	}
}

func (m *model) planWords(run *journal.Run, width int) []string {
	if run.Plan == nil {
		return []string{"The plan is being made …"}
	}
	var lines []string
	if run.Confirmed {
		lines = append(lines, component.Warn.Render("Confirmed. It begins in a moment."))
	} else {
		lines = append(lines, component.Strong.Render("This is what will be done, and nothing else:"))
	}
	for _, s := range run.Plan.Steps {
		what := fmt.Sprintf("%s %s, %s after the word, for %s at most; %s", s.Fault, journal.Aimed(s.Units, s.OutOf), journal.Span(s.After), journal.Span(s.For), s.Reversibility)
		lines = append(lines, component.Wrap(component.Bad.Render(journal.Plain(what)), width)...)
		lines = append(lines, component.Wrap(component.Faint.Render("touches: "+journal.Plain(s.Touches)), width)...)
		for _, u := range s.Undo {
			lines = append(lines, component.Faint.Render(component.Fit("by hand: "+journal.Plain(u), width)))
		}
	}
	return append(lines, component.Wrap(component.Faint.Render("stops it: "+journal.Plain(strings.Join(run.Plan.Stops, "; "))), width)...)
}

func (m *model) observeWords(run *journal.Run, width int) []string {
	injected, ok := run.Injected()
	if !ok {
		return []string{"…"}
	}
	elapsed := min(m.record.Last-injected, run.Observe)
	head := fmt.Sprintf("%4s of %s since the injection ", journal.Span(elapsed.Round(time.Second)), journal.Span(run.Observe))
	lines := []string{head + component.Bar(float64(elapsed)/float64(run.Observe), max(10, width-len(head)-1))}
	for _, f := range run.Faults {
		state := component.Bad.Render("in effect")
		switch {
		case f.Failed != "":
			state = component.BadBack.Render("COULD NOT BE PUT BACK: " + journal.Plain(f.Failed))
		case f.RevertedAt != nil:
			state = component.Good.Render("put back by " + journal.Plain(f.RevertedBy))
		case f.EffectOff == nil:
			state = component.Warn.Render("not yet seen in effect")
		}
		lines = append(lines, component.Fit(fmt.Sprintf("%s %s: ", f.Fault, journal.Plain(journal.Aimed(f.Units, 0)))+state+component.Faint.Render("  "+journal.Plain(f.Evidence)), width))
	}
	return lines
}

// probes is a line a probe: in tolerance or not, its value, what is expected, and how it went.
func (m *model) probes(run *journal.Run, width int) []string {
	var rows [][]string
	var values [][]float64
	held := make([]bool, len(run.Series))
	for i, s := range run.Series {
		mark, value := component.Faint.Render("·"), component.Faint.Render("…")
		var newest []float64
		for _, one := range s.Samples[max(0, len(s.Samples)-120):] {
			if one.Error == "" {
				newest = append(newest, one.Value)
			}
		}
		values = append(values, newest)
		if n := len(s.Samples); n > 0 {
			last := s.Samples[n-1]
			held[i] = last.Held
			style, sign := component.Good, "✓"
			if !last.Held {
				style, sign = component.Bad, "✗"
			}
			mark, value = style.Render(sign), style.Render(journal.WithUnit(last.Value, s.Def.Unit))
			if last.Error != "" {
				value = style.Render("no answer")
			}
		}
		name := component.Fit(journal.Plain(s.Def.Name), min(30, width/3))
		if i == m.probe {
			name = component.Chosen.Render(name)
		}
		rows = append(rows, []string{mark, name, component.Fit(value, 9), component.Faint.Render(component.Fit(journal.Plain(s.Def.Expect), min(26, width/4))), ""})
	}
	lines := component.Columns(rows, width, 1)
	for i := range lines {
		room := width - visible(lines[i]) - 1
		lines[i] += component.Spark(values[i], min(room, 60), held[i])
		if n := len(run.Series[i].Samples); i == m.probe && n > 0 && run.Series[i].Samples[n-1].Error != "" {
			lines[i] = component.Fit(lines[i], width)
		}
	}
	return lines
}

// charts draws the chosen probe, and the others too where there is room.
func (m *model) charts(run *journal.Run, width, height int) []string {
	if height < 5 || len(run.Series) == 0 {
		return nil
	}
	order := []int{min(m.probe, len(run.Series)-1)}
	for i := range run.Series {
		if i != order[0] {
			order = append(order, i)
		}
	}
	n := min(len(order), max(1, height/8))
	var lines []string
	for i, which := range order[:n] {
		h := height / n
		if i == n-1 {
			h = height - len(lines)
		}
		lines = append(lines, component.Rule(journal.Plain(run.Series[which].Def.Name)+m.ghost(run, which), width))
		lines = append(lines, m.chart(run, which, width, h-1)...)
	}
	return lines
}

// ghost says what the faint line of a chart is.
func (m *model) ghost(run *journal.Run, which int) string {
	if injected, ok := run.Injected(); ok && m.earlier(run, which, injected) != nil {
		return fmt.Sprintf("  (faint: run %d)", run.Run-1)
	}
	return ""
}

// span is the least time that a chart shows, so that it does not race at first.
const span = 20 * time.Second

func (m *model) chart(run *journal.Run, which, width, height int) []string {
	s := run.Series[which]
	c := component.Chart{Begin: run.Begun, End: run.Begun + span, Zero: run.Begun, Good: true, Format: func(v float64) string { return journal.WithUnit(short(v), s.Def.Unit) }}
	for _, one := range s.Samples {
		if one.Error == "" {
			c.Points = append(c.Points, component.Point{At: one.Off, Value: one.Value})
		}
		c.Good = one.Held
		c.End = max(c.End, one.Off)
	}
	injected, ok := run.Injected()
	if ok {
		c.Zero, c.Marks = injected, append(c.Marks, injected)
		c.Begin = max(c.Begin, injected-15*time.Second)
		c.End = max(c.End, injected+run.Observe)
		if f := run.Faults[0]; f.RevertedOff != nil {
			c.Marks = append(c.Marks, *f.RevertedOff)
		}
		c.Earlier = m.earlier(run, which, injected)
	} else {
		c.Begin = max(c.Begin, c.End-2*span)
	}
	return c.View(width, height)
}

// short keeps three digits of a value, which is all that an axis needs.
func short(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	return math.Round(v/unit) * unit
}

// earlier gives the same probe of the run before, moved so that the injections fall together.
func (m *model) earlier(run *journal.Run, which int, injected time.Duration) []component.Point {
	before := m.record.Run(run.Run - 1)
	if before == nil || which >= len(before.Series) || before.Series[which].Def.Name != run.Series[which].Def.Name {
		return nil
	}
	was, ok := before.Injected()
	if !ok {
		return nil
	}
	var points []component.Point
	for _, s := range before.Series[which].Samples {
		if s.Error == "" {
			points = append(points, component.Point{At: s.Off - was + injected, Value: s.Value})
		}
	}
	return points
}

// sidePane is what happened, line by line, and the units.
func (m *model) sidePane(run *journal.Run, width, height int) []string {
	if run.Ended != nil && m.wide() {
		lines := append([]string{component.Rule("what could be changed, live", width)}, m.offer.lines(width, height/2-1)...)
		lines = component.Block(lines, width, height/2)
		return append(lines, m.timeline(run, width, height-len(lines))...)
	}
	units := m.units(width)
	if len(units) > height/2 {
		units = units[:height/2]
	}
	lines := append([]string{component.Rule("units", width)}, units...)
	return append(lines, m.timeline(run, width, height-len(lines))...)
}

// place is where a unit is, as far as its platform tells zones apart: there, or its failure domain.
func place(u journal.Unit) string { return journal.Plain(cmp.Or(u.Zone, u.Instance)) }

func (m *model) units(width int) []string {
	var cells []string
	name, where := 12, 5
	for _, u := range m.record.Units {
		name, where = max(name, min(24, len(u.Unit)+1)), max(where, min(15, len(place(u))+1))
	}
	for _, u := range m.record.Units {
		style, sign := component.Good, "●"
		switch u.State {
		case "running":
		case "paused":
			style, sign = component.Warn, "‖"
		default:
			style, sign = component.Bad, "○"
		}
		cells = append(cells, style.Render(sign)+" "+component.Fit(journal.Plain(u.Unit), name)+component.Faint.Render(component.Fit(place(u), where))+style.Render(component.Fit(journal.Plain(u.State), 10)))
	}
	columns := max(1, width/(name+where+13))
	var lines []string
	for i := 0; i < len(cells); i += columns {
		lines = append(lines, strings.Join(cells[i:min(i+columns, len(cells))], ""))
	}
	return lines
}

func (m *model) timeline(run *journal.Run, width, height int) []string {
	zero, ok := run.Injected()
	if !ok {
		zero = run.Begun
	}
	lines := []string{component.Rule("what happened", width)}
	var all []string
	for _, e := range run.Timeline {
		at := e.Off - zero
		stamp := component.Faint.Render(fmt.Sprintf("%+7.1fs ", at.Seconds()))
		for i, part := range component.Wrap(journal.Plain(e.Text), max(10, width-9)) {
			if i > 0 {
				stamp = strings.Repeat(" ", 9)
			}
			all = append(all, stamp+entryStyle(e.Kind, part))
		}
	}
	room := max(0, height-1)
	end := len(all) - min(m.scroll, max(0, len(all)-room))
	return append(lines, all[max(0, end-room):end]...)
}

func entryStyle(kind journal.Kind, text string) string {
	switch kind {
	case journal.FaultInjected, journal.ProbeLeft, journal.FaultRevertFailed, journal.GuardTripped, journal.HaltRequested, journal.KeeperLost:
		return component.Bad.Render(text)
	case journal.FaultReverted, journal.ProbeReturned, journal.BaselineHeld:
		return component.Good.Render(text)
	default:
		return text
	}
}
