package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gameday/engine"
	"gameday/journal"
	"gameday/runbook"
	"gameday/tui/component"
)

// action is something that a key does now. why says what speaks against it at this moment; empty means nothing does.
type action struct {
	keys []string
	name string // in the bar
	long string // in the help
	why  string
	do   func() tea.Cmd
}

func (a action) matches(key string) bool { return slices.Contains(a.keys, key) }

// actions lists what can be done now, the most likely first.
func (m *model) actions() []action {
	var all []action
	run := m.record.Current()
	switch {
	case run == nil:
		all = append(all, action{keys: []string{"enter"}, name: "begin", long: "start load and probes, and look at the steady state", do: m.start})
	case run.Ended != nil:
		all = append(all, m.learnActions()...)
	case run.Phase == journal.Steady || run.Phase == "":
		all = append(all,
			action{keys: []string{"enter"}, name: "go on", long: "the steady state is right: on to the hypothesis", why: m.notSteady(run), do: func() tea.Cmd { return m.do(engine.Proceed{}) }},
			action{keys: []string{"e"}, name: "expect", long: "give the chosen probe another expectation", do: m.editExpectation})
	case run.Phase == journal.Hypothesis:
		all = append(all,
			action{keys: []string{"enter"}, name: "plan", long: "choose units and show what would be broken", do: func() tea.Cmd { return m.do(engine.Proceed{}) }},
			action{keys: []string{"p"}, name: "predict", long: "write down what somebody believes will come", do: m.predict},
			action{keys: []string{"e"}, name: "reword", long: "put the hypothesis in other words", do: m.editHypothesis})
	case run.Phase == journal.Inject && !run.Confirmed:
		all = append(all,
			action{keys: []string{"enter"}, name: "break it", long: "confirm the plan: this is what is done", why: m.noPlan(run), do: m.confirm},
			action{keys: []string{"r"}, name: "other units", long: "choose units anew", do: func() tea.Cmd { return m.do(engine.Replan{}) }})
	}
	if m.running() {
		all = append(all, action{keys: []string{"x"}, name: "HALT", long: "stop at once and put everything back (ctrl+x does it from anywhere)", do: func() tea.Cmd {
			m.message = m.haltMessage()
			return m.do(engine.Halt{By: m.By})
		}})
	}
	all = append(all, action{keys: []string{"n"}, name: "note", long: "add a remark to the journal", do: m.note})
	if run != nil {
		all = append(all,
			action{keys: []string{"up", "k"}, long: "up: the probe, setting or line above", do: func() tea.Cmd { return m.move(-1) }},
			action{keys: []string{"down", "j"}, long: "down: the probe, setting or line below", do: func() tea.Cmd { return m.move(1) }},
			action{keys: []string{"tab"}, name: "other pane", long: "charts, or the timeline and the units", do: func() tea.Cmd { m.pane, m.scroll = (m.pane+1)%m.panes(), 0; return nil }})
	}
	return append(all,
		action{keys: []string{"?"}, name: "help", long: "this list", do: func() tea.Cmd { m.help = true; return nil }},
		action{keys: []string{"q"}, name: "leave", long: "end the game day and write its journal; the stack stays up", do: m.askLeave})
}

func (m *model) learnActions() []action {
	return []action{
		{keys: []string{"enter"}, name: "run again", long: "run the same experiment again, beside this run", do: m.start},
		{keys: []string{" ", "space"}, name: "choose", long: "choose or drop the setting under the cursor", why: m.offer.why(), do: func() tea.Cmd { m.pane = paneChange; m.offer.toggle(); return nil }},
		{keys: []string{"c"}, name: "change", long: "put the chosen settings in force", why: m.offer.whyNotApply(), do: m.applyOffer},
		{keys: []string{"e"}, name: "own value", long: "another value for the setting under the cursor", why: m.offer.why(), do: m.editOffer},
		{keys: []string{"a"}, name: "action", long: "add an action item with its owner and date", do: m.actionItem},
	}
}

func (m *model) start() tea.Cmd {
	m.probe = 0
	return m.do(engine.Start{Experiment: m.experiment().Name})
}

// experiment is the one that the next run is of: the newest run's, or the first.
func (m *model) experiment() runbook.Experiment {
	if run := m.record.Current(); run != nil {
		for _, e := range m.Runbook.Experiments {
			if e.Name == run.Experiment {
				return e
			}
		}
	}
	return m.Runbook.Experiments[0]
}

func (m *model) notSteady(run *journal.Run) string {
	for _, s := range run.Series {
		if n := len(s.Samples); n == 0 {
			return fmt.Sprintf("%q was not measured yet", journal.Plain(s.Def.Name))
		} else if !s.Samples[n-1].Held {
			return fmt.Sprintf("%q is not in tolerance", journal.Plain(s.Def.Name))
		}
	}
	if run.Baseline == nil {
		return "the probes must hold over their whole windows first"
	}
	return ""
}

func (m *model) noPlan(run *journal.Run) string {
	if run.Plan == nil {
		return "the plan is being made"
	}
	return ""
}

func (m *model) confirm() tea.Cmd {
	run := m.record.Current()
	var text []string
	for _, s := range run.Plan.Steps {
		text = append(text, fmt.Sprintf("%s %s, for %s?", titled(s.Fault), journal.Plain(journal.Aimed(s.Units, s.OutOf)), journal.Span(s.For)))
	}
	question := &component.Question{Text: append(text, "x stops it at any moment; the keeper puts it back if this console dies."), Yes: func() tea.Cmd { return m.do(engine.Confirm{By: m.By}) }}
	for _, s := range run.Plan.Steps {
		if s.Reversibility == "irreversible" {
			question.Then = &component.Question{Text: []string{"Nothing puts " + s.Fault + " back: " + s.Touches + ".", "Do it all the same?"}, Yes: question.Yes}
		}
	}
	m.dialog = question
	return nil
}

func (m *model) editExpectation() tea.Cmd {
	series := m.record.Current().Series
	def := series[min(m.probe, len(series)-1)].Def
	m.dialog = component.NewForm("What do you expect of "+journal.Plain(def.Name)+"?", m.suggestion(def.Name), []string{"expect"}, []string{def.Expect}, func(v []string) (string, tea.Cmd) {
		if _, err := runbook.CompileExpectation(def.Kind, v[0]); err != nil {
			return err.Error(), nil
		}
		return "", m.do(engine.Expect{Probe: def.Name, Expect: v[0]})
	})
	return nil
}

// suggestion says what the quiet baseline suggests for a probe, and why.
func (m *model) suggestion(name string) string {
	run := m.record.Current()
	if run.Baseline == nil {
		return "The baseline is still being measured."
	}
	for i, b := range run.Baseline.Probes {
		if b.Name != name {
			continue
		}
		unit := run.Probes[i].Unit
		text := fmt.Sprintf("While all was quiet: %s on average, %s furthest from it, over %d samples.", journal.WithUnit(b.Mean, unit), journal.WithUnit(b.Worst, unit), b.N)
		if b.Suggested != nil {
			text += fmt.Sprintf(" With 95%% confidence, %.0f%% of quiet values stay below %s; an expectation below that would break by itself.", 100*b.Coverage, journal.WithUnit(*b.Suggested, unit))
		}
		return text
	}
	return ""
}

func (m *model) editHypothesis() tea.Cmd {
	m.dialog = component.NewForm("The hypothesis", "What do you believe will happen?", []string{"we believe"}, []string{m.record.Current().Hypothesis}, func(v []string) (string, tea.Cmd) {
		if v[0] == "" {
			return "write down what you believe", nil
		}
		return "", m.do(engine.Believe{Text: v[0]})
	})
	return nil
}

func (m *model) predict() tea.Cmd {
	m.dialog = component.NewForm("A prediction", "Everybody for themselves, before anything is broken: does it hold, and when is it back?",
		[]string{"who", "holds (y/n)", "back within"}, []string{m.By, "y", "10s"}, func(v []string) (string, tea.Cmd) {
			p := engine.Predict{Who: v[0], Holds: strings.HasPrefix(strings.ToLower(v[1]), "y")}
			if p.Who == "" {
				return "who predicts?", nil
			}
			if p.Holds && v[2] != "" {
				d, err := time.ParseDuration(strings.ReplaceAll(v[2], " ", ""))
				if err != nil || d < 0 {
					return fmt.Sprintf("%q is not a duration; write it as 10s", v[2]), nil
				}
				p.Back = d
			}
			return "", m.do(p)
		})
	return nil
}

func (m *model) note() tea.Cmd {
	m.dialog = component.NewForm("A note for the journal", "", []string{"note"}, []string{""}, func(v []string) (string, tea.Cmd) {
		if v[0] == "" {
			return "write something, or leave with esc", nil
		}
		return "", m.do(engine.Note{By: m.By, Text: v[0]})
	})
	return nil
}

func (m *model) actionItem() tea.Cmd {
	m.dialog = component.NewForm("An action item", "", []string{"what", "owner", "by when"}, []string{"", m.By, time.Now().AddDate(0, 0, 7).Format(time.DateOnly)}, func(v []string) (string, tea.Cmd) {
		if v[0] == "" {
			return "say what is to be done", nil
		}
		if _, err := time.Parse(time.DateOnly, v[2]); v[2] != "" && err != nil {
			return fmt.Sprintf("%q is not a date; write it as 2026-12-01", v[2]), nil
		}
		return "", m.do(engine.Act{What: v[0], Owner: v[1], Due: v[2]})
	})
	return nil
}

func (m *model) askLeave() tea.Cmd {
	text := []string{"End this game day and write its journal? The stack stays up."}
	if m.running() {
		text = []string{"A run is under way. Leave? It is aborted, everything is put back, and the journal is written. The stack stays up."}
	}
	m.dialog = &component.Question{Text: text, Yes: m.leave}
	return nil
}

// move moves the cursor of what is shown.
func (m *model) move(by int) tea.Cmd {
	run := m.record.Current()
	switch {
	case run.Ended != nil && m.pane != paneTimeline && (m.wide() || m.pane == paneChange):
		m.offer.move(by)
	case m.pane == paneTimeline:
		m.scroll = max(0, m.scroll-by)
	case len(run.Series) > 0:
		m.probe, m.moved = (m.probe+by+len(run.Series))%len(run.Series), true
	}
	return nil
}

// titled begins a sentence with a fault's name, where that is a word.
func titled(fault string) string {
	if strings.Contains(fault, ".") {
		return fault
	}
	return strings.ToUpper(fault[:1]) + fault[1:]
}
