package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"gameday/engine"
	"gameday/journal"
	"gameday/tui/component"
)

// model is the console's state. All but record, which is folded from events, is about the screen alone.
type model struct {
	Options
	record *journal.Record

	width, height int
	dialog        component.Dialog
	help          bool
	message       string // answer to the last key
	probe         int    // the chosen probe
	moved         bool   // somebody chose it
	pane          int    // which half is shown where there is no room for both
	scroll        int    // lines of the timeline below which nothing is shown
	offer         offer
	leaving       bool
	ended         bool
	err           error
}

func newModel(o Options) *model {
	return &model{Options: o, record: &journal.Record{}, width: 80, height: 24}
}

// The messages beside events and keys.
type (
	sessionEnded struct{ err error }
	settingsCame struct {
		state engine.SettingsState
		err   error
	}
)

// Init begins to listen.
func (m *model) Init() tea.Cmd {
	return tea.Batch(m.Feed.next, func() tea.Msg { return sessionEnded{<-m.Ended} })
}

// Update takes a message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case heard:
		return m, tea.Batch(m.Feed.next, m.fold(msg))
	case settingsCame:
		m.offer.take(msg)
	case sessionEnded:
		m.ended, m.err = true, msg.err
		return m, tea.Quit
	case tea.PasteMsg:
		if m.dialog != nil {
			m.dialog.Paste(msg.Content)
		}
	case tea.KeyPressMsg:
		return m, m.press(msg)
	}
	return m, nil
}

// fold takes events in, and asks for the settings where the Learn screen needs them.
func (m *model) fold(events heard) tea.Cmd {
	var cmd tea.Cmd
	for _, e := range events {
		m.record.Apply(e)
		switch e.Kind {
		case journal.RunEnded:
			cmd, m.offer.settled = m.askSettings, m.heldAtLast()
		case journal.ChangeMade:
			cmd = m.askSettings
			if run := m.record.Current(); run != nil && run.Ended != nil {
				m.offer.settled, m.message = true, "Changed and in force. Enter runs the same experiment again, beside this run."
			}
		case journal.ProbeLeft:
			m.follow(e)
		case journal.Refused:
			m.message = ""
		case journal.PhaseEntered, journal.RunStarted:
			m.message, m.scroll, m.pane = "", 0, 0
			m.moved = m.moved && e.Kind != journal.RunStarted
		}
	}
	return cmd
}

func (m *model) heldAtLast() bool {
	run := m.record.Current()
	return run != nil && run.Verdict != nil && run.Verdict.Verdict == journal.Held
}

// follow turns to the probe that left its tolerance, unless somebody has chosen one.
func (m *model) follow(e journal.Event) {
	body, err := journal.Decode[journal.ProbeBody](e)
	if err != nil || m.moved {
		return
	}
	for i, s := range m.record.Current().Series {
		if s.Def.Name == body.Probe {
			m.probe, m.moved = i, true
		}
	}
}

func (m *model) askSettings() tea.Msg {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	state, err := m.Session.SettingsState(ctx)
	return settingsCame{state, err}
}

// do hands a command to the session, without waiting for it.
func (m *model) do(c engine.Command) tea.Cmd {
	return func() tea.Msg { m.Session.Do(c); return nil }
}

// press answers a key. Halting works everywhere, whatever lies over the screen.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	key := k.String()
	if key == "ctrl+x" {
		m.dialog, m.message = nil, m.haltMessage()
		return m.do(engine.Halt{By: m.By})
	}
	if key == "ctrl+c" {
		if m.running() && m.record.Current().Active() && !m.leaving {
			m.dialog, m.message, m.leaving = nil, m.haltMessage()+" Ctrl-C again leaves.", true
			return m.do(engine.Halt{By: m.By})
		}
		return m.leave()
	}
	if m.dialog != nil {
		next, cmd := m.dialog.Update(k)
		m.dialog = next
		return cmd
	}
	if m.help {
		m.help = false
		return nil
	}
	m.message = ""
	for _, a := range m.actions() {
		if !a.matches(key) {
			continue
		}
		if a.why != "" {
			m.message = a.name + " is not possible now: " + a.why
			return nil
		}
		return a.do()
	}
	return nil
}

func (m *model) haltMessage() string {
	if m.running() {
		return "Halted: everything is being put back."
	}
	return "Nothing is running that could be halted."
}

func (m *model) leave() tea.Cmd {
	m.leaving = true
	m.message = "Leaving: everything is put back and the journal is written."
	return tea.Batch(m.do(engine.Halt{By: m.By}), m.do(engine.Close{}))
}

// running reports whether a run is under way.
func (m *model) running() bool {
	run := m.record.Current()
	return run != nil && run.Ended == nil
}

// View draws the screen.
func (m *model) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	v.WindowTitle = "gameday: " + journal.Plain(m.Runbook.Title)
	v.SetContent(m.screen())
	return v
}
