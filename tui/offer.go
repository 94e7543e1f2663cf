package tui

import (
	"fmt"
	"maps"
	"slices"

	tea "charm.land/bubbletea/v2"

	"gameday/engine"
	"gameday/journal"
	"gameday/tui/component"
)

// offer is what could be changed about the target's settings: each with its value and another one.
type offer struct {
	profile string // in force
	from    string // the profile that the other values are from
	rows    []offered
	at      int
	err     error
	settled bool // the newest run held, or something was changed since: then nothing is chosen beforehand
}

type offered struct {
	name, doc string
	now, then string
	chosen    bool
}

// take makes an offer of the settings in force. Where the target names profiles, the values of the one that is not in
// force are offered; those that are the same already come last.
func (o *offer) take(msg settingsCame) {
	at := o.at
	*o = offer{profile: msg.state.Profile, err: msg.err, settled: o.settled}
	if msg.err != nil {
		return
	}
	other := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(msg.state.Profiles)) {
		if name != msg.state.Profile {
			o.from, other = name, msg.state.Profiles[name]
		}
	}
	var same []offered
	for _, name := range slices.Sorted(maps.Keys(msg.state.Settings)) {
		row := offered{name: name, doc: msg.state.Docs[name], now: msg.state.Settings[name], then: msg.state.Settings[name]}
		if then, ok := other[name]; ok && name != "failures.webhook" {
			row.then = then
		}
		if row.then == row.now {
			same = append(same, row)
			continue
		}
		row.chosen = !o.settled
		o.rows = append(o.rows, row)
	}
	o.rows = append(o.rows, same...)
	o.at = min(at, max(0, len(o.rows)-1))
}

func (o *offer) move(by int) {
	if n := len(o.rows); n > 0 {
		o.at = (o.at + by + n) % n
	}
}

func (o *offer) why() string {
	switch {
	case o.err != nil:
		return o.err.Error()
	case len(o.rows) == 0:
		return "the target's settings are being read"
	}
	return ""
}

func (o *offer) toggle() {
	row := &o.rows[o.at]
	row.chosen = !row.chosen && row.now != row.then
}

func (o *offer) changes() map[string]string {
	values := map[string]string{}
	for _, r := range o.rows {
		if r.chosen && r.then != r.now {
			values[r.name] = r.then
		}
	}
	return values
}

func (o *offer) whyNotApply() string {
	if why := o.why(); why != "" {
		return why
	}
	if len(o.changes()) == 0 {
		return "choose a setting with space, or give one its own value with e"
	}
	return ""
}

func (m *model) applyOffer() tea.Cmd {
	values := m.offer.changes()
	title := fmt.Sprintf("Change %d settings, live", len(values))
	if len(values) == 1 {
		title = "Change one setting, live"
	}
	m.dialog = component.NewForm(title, "It is recorded in the journal with your name.", []string{"why"}, []string{fmt.Sprintf("what run %d showed", len(m.record.Runs))}, func(v []string) (string, tea.Cmd) {
		return "", m.do(engine.Alter{Change: engine.Change{Values: values, By: m.By, Why: v[0]}})
	})
	return nil
}

func (m *model) editOffer() tea.Cmd {
	row := &m.offer.rows[m.offer.at]
	m.dialog = component.NewForm(row.name, journal.Plain(row.doc), []string{"value"}, []string{row.then}, func(v []string) (string, tea.Cmd) {
		if v[0] == "" {
			return "give a value", nil
		}
		row.then, row.chosen = v[0], v[0] != row.now
		return "", nil
	})
	return nil
}

// lines shows the offer; the row under the cursor explains itself.
func (o *offer) lines(width, height int) []string {
	if why := o.why(); why != "" {
		return component.Wrap(component.Faint.Render(journal.Plain(why)), width)
	}
	head := "in force: " + o.profile
	if o.from != "" {
		head += component.Faint.Render("   offered: the values of " + o.from)
	}
	out := []string{head}
	visible := max(1, height-3)
	first := max(0, min(o.at-visible/2, len(o.rows)-visible))
	var cells [][]string
	for i, r := range o.rows[first:min(first+visible, len(o.rows))] {
		mark, then := "[ ]", component.Faint.Render("→ "+journal.Plain(r.then))
		if r.chosen {
			mark, then = component.Accent.Render("[x]"), component.Accent.Render("→ "+journal.Plain(r.then))
		}
		if r.now == r.then {
			then = component.Faint.Render("as it is")
		}
		name := journal.Plain(r.name)
		if first+i == o.at {
			name = component.Chosen.Render(name)
		}
		cells = append(cells, []string{mark, name, journal.Plain(r.now), then})
	}
	out = append(out, component.Columns(cells, width, 2)...)
	if len(o.rows) > 0 {
		out = append(out, component.Faint.Render(component.Fit(journal.Plain(o.rows[o.at].doc), width)))
	}
	return out
}
