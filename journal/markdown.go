package journal

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Escape writes text from elsewhere so that neither markdown nor HTML in it acts, and so that it still reads as text.
func Escape(s string) string {
	var out strings.Builder
	runes := []rune(Plain(s))
	for i, r := range runes {
		switch r {
		case '\\', '`', '*', '[', ']', '<', '|', '~', '&', '$':
			out.WriteByte('\\')
		case '_':
			if i == 0 || i == len(runes)-1 || !wordy(runes[i-1]) || !wordy(runes[i+1]) {
				out.WriteByte('\\')
			}
		case '#', '>', '+', '-', '=':
			if i == 0 {
				out.WriteByte('\\')
			}
		case '.', ')': // "1." begins a list
			if i > 0 && (i == len(runes)-1 || runes[i+1] == ' ') && strings.Trim(string(runes[:i]), "0123456789") == "" {
				out.WriteByte('\\')
			}
		}
		out.WriteRune(r)
	}
	return out.String()
}

func wordy(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// code writes text as code; a backtick in it cannot end it early.
func code(s string) string {
	s = strings.ReplaceAll(Plain(s), "|", "\\|")
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// page is a markdown document in the making.
type document struct{ bytes.Buffer }

func (d *document) line(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }
func (d *document) para(format string, args ...any) { fmt.Fprintf(d, format+"\n\n", args...) }

func (d *document) table(head []string, rows [][]string) {
	d.line("| %s |", strings.Join(head, " | "))
	d.line("|%s", strings.Repeat(" --- |", len(head)))
	for _, r := range rows {
		d.line("| %s |", strings.Join(r, " | "))
	}
	d.line("")
}

// Markdown tells a game day to somebody who was not there.
func Markdown(r *Record) []byte {
	d := &document{}
	d.para("# %s", Escape(r.Opened.Title))
	d.about(r)
	d.para("## In short")
	for _, s := range Story(r) {
		d.para("%s", Escape(s))
	}
	if len(r.Runs) > 1 {
		d.sideBySide(r.Runs)
	}
	for i, run := range r.Runs {
		d.run(r, run)
		d.changes(r, i+1)
	}
	d.actions(r)
	d.notes(r)
	d.target(r)
	d.line("---")
	d.line("Times are measured from the first injection. Time to detect is the first sample out of tolerance; time to recover the first sample of the first whole window back in tolerance; both carry the sampling interval as their error. Latency counts from when a request was due. `events.jsonl` beside this file is the record that all of this was folded from; `gameday journal verify` checks it.")
	return d.Bytes()
}

func (d *document) about(r *Record) {
	when := r.Started.UTC().Format("Monday, 2 January 2006, 15:04 MST")
	if r.Ended != nil {
		when += fmt.Sprintf(", %s", Span(r.Ended.Sub(r.Started).Round(time.Second)))
	}
	where := ""
	if r.Opened.Account != "" {
		where = " (account " + Escape(r.Opened.Account) + ", " + Escape(r.Opened.Region) + ")"
	}
	d.para("%s · environment %s · target %s/%s%s · led by %s · seed %d", when, Escape(r.Opened.Environment), Escape(r.Opened.Platform), Escape(r.Opened.Project), where, Escape(r.Opened.By), r.Opened.Seed)
	if r.Ended == nil {
		d.para("**This game day has not been closed.**")
	}
}

func (d *document) sideBySide(runs []*Run) {
	head := []string{""}
	for _, run := range runs {
		head = append(head, fmt.Sprintf("run %d: %s", run.Run, Escape(run.Experiment)))
	}
	var rows [][]string
	for _, row := range Compare(runs) {
		cells := []string{Escape(row.Name)}
		for i, v := range row.Values {
			if i == row.Better {
				cells = append(cells, "**"+Escape(v)+"**")
			} else {
				cells = append(cells, Escape(v))
			}
		}
		rows = append(rows, cells)
	}
	d.para("The runs side by side:")
	d.table(head, rows)
}

func (d *document) run(r *Record, run *Run) {
	verdict := "without a verdict"
	if run.Verdict != nil {
		verdict = string(run.Verdict.Verdict)
	}
	d.para("## Run %d: %s — %s", run.Run, Escape(run.Experiment), verdict)
	d.believed(run)
	d.broken(run)
	d.happened(run)
	d.verdict(run)
}

func (d *document) believed(run *Run) {
	d.para("### What we believed")
	d.para("> %s", Escape(run.Hypothesis))
	for _, p := range run.Predictions {
		d.para("%s.", Escape(predictionLine(p)))
	}
	d.para("Fine means, measured%s:", withLoad(run))
	var rows [][]string
	for i, p := range run.Probes {
		quiet, suggested := "–", "–"
		if run.Baseline != nil && i < len(run.Baseline.Probes) {
			b := run.Baseline.Probes[i]
			quiet = fmt.Sprintf("%s on average, %s at the furthest (%d samples)", WithUnit(b.Mean, p.Unit), WithUnit(b.Worst, p.Unit), b.N)
			if b.Suggested != nil {
				suggested = fmt.Sprintf("%s covers %.0f%% of quiet values", WithUnit(*b.Suggested, p.Unit), b.Coverage*100)
			}
		}
		rows = append(rows, []string{Escape(p.Name), code(p.Expect), Span(p.Over), Escape(quiet), Escape(suggested)})
	}
	d.table([]string{"probe", "expected", "over", "while all was quiet", "tolerance limit (95% confidence)"}, rows)
	if len(run.Settings) > 0 {
		d.para("Settings in force: %s", settingsLine(run))
	}
}

func withLoad(run *Run) string {
	if run.Rate == 0 {
		return ""
	}
	return " under " + Number(run.Rate) + " requests a second, sent on time whether or not earlier ones were answered"
}

func settingsLine(run *Run) string {
	var parts []string
	for _, name := range sortedKeys(run.Settings) {
		parts = append(parts, code(name+" = "+run.Settings[name]))
	}
	text := strings.Join(parts, ", ")
	if run.Profile != "" {
		text = "profile " + Escape(run.Profile) + ": " + text
	}
	return text + "."
}

func (d *document) broken(run *Run) {
	d.para("### What we broke")
	if len(run.Faults) == 0 {
		d.para("Nothing: the experiment did not come that far.")
		return
	}
	var rows [][]string
	for i, f := range run.Faults {
		injected, lasted, reverted := "not injected", "–", "not yet"
		if f.InjectedAt != nil {
			injected = f.InjectedAt.UTC().Format("15:04:05.000")
			if f.RevertedAt != nil {
				lasted = Span(f.RevertedAt.Sub(*f.InjectedAt))
			}
		}
		if f.RevertedAt != nil {
			reverted = f.RevertedAt.UTC().Format("15:04:05.000") + " by " + f.RevertedBy
		}
		if f.Failed != "" {
			reverted = "COULD NOT BE REVERTED: " + f.Failed
		}
		outOf := 0
		if run.Plan != nil && i < len(run.Plan.Steps) {
			outOf = run.Plan.Steps[i].OutOf
		}
		rows = append(rows, []string{code(f.Fault), Escape(Aimed(f.Units, outOf)), injected, lasted, Escape(reverted), Escape(f.Evidence)})
	}
	d.table([]string{"fault", "units", "injected (UTC)", "lasted", "put back", "seen in effect"}, rows)
	if run.Comparison != nil {
		d.para("Afterwards: %s.", Escape(comparisonLine(*run.Comparison)))
	}
}

func (d *document) happened(run *Run) {
	d.para("### What happened")
	if t := run.Totals; t != nil {
		d.para("Of %d requests sent, %d were acknowledged and %d failed; latency p50 %s, p99 %s, at most %s.%s", t.Sent, t.Acknowledged, t.Failed, Span(t.P50), Span(t.P99), Span(t.Max), failures(t))
	}
	if run.Verdict != nil {
		d.probes(run)
	}
	for _, c := range chartsOf(run) {
		d.para("![%s](%s)", Escape(c.title), c.file)
	}
	if len(run.Invariants) > 0 {
		d.invariants(run)
	}
	d.timeline(run)
}

func failures(t *LoadTotals) string {
	if len(t.Errors) == 0 {
		return ""
	}
	return " They failed with: " + Escape(strings.Join(t.Errors, ", ")) + "."
}

func (d *document) probes(run *Run) {
	yes := map[bool]string{true: "yes", false: "**no**"}
	var rows [][]string
	for i, p := range run.Verdict.Probes {
		unit := ""
		if i < len(run.Probes) {
			unit = run.Probes[i].Unit
		}
		back, shift := "it never left", "–"
		if p.Recover != nil {
			back = "after " + Span(*p.Recover)
		} else if !p.HeldAfter {
			back = "never"
		}
		if s := p.Shift; s != nil {
			shift = fmt.Sprintf("%s → %s (difference %s to %s, p = %.2g)", WithUnit(s.Before, unit), WithUnit(s.During, unit), Number(s.Low), Number(s.High), s.P)
		}
		worst := "–"
		if p.Worst != nil {
			worst = WithUnit(*p.Worst, unit)
		}
		rows = append(rows, []string{Escape(p.Name), yes[p.HeldBefore], Escape(worst), back, yes[p.HeldAfter], Escape(shift)})
	}
	d.table([]string{"probe", "held before", "worst value", "back in tolerance", "held at the end", "median before → during"}, rows)
	for _, series := range run.Series {
		if series.Thinned > 0 {
			d.para("%s was measured for so long that %d of its samples from before the last %s were folded into the lowest and highest of each four; the log has them all.", Escape(series.Def.Name), series.Thinned, keptWhole)
		}
	}
}

func (d *document) invariants(run *Run) {
	var rows [][]string
	for _, i := range run.Invariants {
		state := "held"
		if !i.Held {
			state = "**" + Count(i.Violations, "violation") + "**"
		}
		rows = append(rows, []string{i.Name, state, fmt.Sprint(i.Checked), Escape(i.Finding)})
	}
	d.para("What became of all acknowledged work:")
	d.table([]string{"invariant", "", "checked", "finding"}, rows)
	for _, i := range run.Invariants {
		if len(i.Examples) == 0 {
			continue
		}
		d.para("Examples of violations of %s:", i.Name)
		for _, e := range i.Examples {
			d.line("- %s", Escape(e))
		}
		d.line("")
	}
}

func (d *document) timeline(run *Run) {
	if len(run.Timeline) == 0 {
		return
	}
	zero, broken := run.Injected()
	if !broken {
		zero = run.Begun
	}
	var rows [][]string
	for _, e := range run.Timeline {
		rows = append(rows, []string{e.At.UTC().Format("15:04:05.000"), signed(e.Off - zero), Escape(e.Text)})
	}
	d.table([]string{"UTC", "", "what happened"}, rows)
}

func signed(d time.Duration) string {
	if d < 0 {
		return "−" + Span(-d)
	}
	return "+" + Span(d)
}

func (d *document) verdict(run *Run) {
	if run.Verdict == nil {
		return
	}
	d.para("### Verdict: %s", run.Verdict.Verdict)
	for _, reason := range run.Verdict.Reasons {
		d.line("- %s", Escape(reason))
	}
	d.line("")
}

func (d *document) changes(r *Record, after int) {
	var rows [][]string
	for _, c := range r.Changes {
		if c.AfterRun == after {
			rows = append(rows, []string{code(c.Name), Escape(c.Old), Escape(c.New), Escape(c.By), Escape(c.Why)})
		}
	}
	if len(rows) == 0 {
		return
	}
	d.para("## What we changed after run %d", after)
	d.table([]string{"what", "from", "to", "who", "why"}, rows)
}

func (d *document) actions(r *Record) {
	if len(r.Actions) == 0 {
		return
	}
	d.para("## Action items")
	for _, a := range r.Actions {
		d.line("- [ ] %s — %s, by %s", Escape(a.What), Escape(orDash(a.Owner)), Escape(orDash(a.Due)))
	}
	d.line("")
}

func (d *document) notes(r *Record) {
	if len(r.Notes) == 0 {
		return
	}
	d.para("## Notes")
	for _, n := range r.Notes {
		d.line("- %s, %s: %s", n.At.UTC().Format("15:04:05"), Escape(orDash(n.Is.By)), Escape(n.Is.Text))
	}
	d.line("")
}

func (d *document) target(r *Record) {
	if len(r.Units) == 0 {
		return
	}
	d.para("## The target at the end")
	zoned := slices.ContainsFunc(r.Units, func(u Unit) bool { return u.Zone != "" })
	head := []string{"unit", "service", "instance", "state"}
	if zoned {
		head = slices.Insert(head, 3, "zone")
	}
	var rows [][]string
	for _, u := range r.Units {
		row := []string{Escape(u.Unit), Escape(u.Service), Escape(u.Instance), Escape(u.State)}
		if zoned {
			row = slices.Insert(row, 3, Escape(u.Zone))
		}
		rows = append(rows, row)
	}
	d.table(head, rows)
}
