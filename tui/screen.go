package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"gameday/journal"
	"gameday/tui/component"
)

// What a narrow screen shows one of at a time.
const (
	paneMain = iota
	paneTimeline
	paneChange
)

// wide reports whether there is room for two columns.
func (m *model) wide() bool { return m.width >= 120 && m.height >= 30 }

// panes is how many panes there are to go round.
func (m *model) panes() int {
	if run := m.record.Current(); run != nil && run.Ended != nil && !m.wide() {
		return 3
	}
	return 2
}

// screen draws everything: exactly height lines of at most width columns. A mistake in drawing does not take the game
// day with it: halting and leaving go on working.
func (m *model) screen() (drawn string) {
	defer func() {
		if broken := recover(); broken != nil {
			drawn = fmt.Sprintf("This screen cannot be drawn (%v).\nThe game day goes on: ctrl+x halts it, ctrl+c leaves.", broken)
		}
	}()
	width, height := max(m.width, 20), max(m.height, 8)
	lines := []string{m.titleLine(width), m.stepLine(width), component.Rule("", width)}
	body := height - len(lines) - 2
	lines = append(lines, component.Block(m.body(width, body), width, body)...)
	lines = append(lines, component.Fit(m.messageLine(width), width), component.Fit(m.keyLine(width), width))
	switch {
	case m.dialog != nil:
		lines = component.Over(lines, m.dialog, width, height)
	case m.help:
		lines = component.Over(lines, helpPage{m.actions()}, width, height)
	}
	return strings.Join(lines, "\n")
}

func (m *model) titleLine(width int) string {
	right := fmt.Sprintf(" %s · %s/%s ", m.Runbook.Environment, m.Runbook.Target.Platform, m.Runbook.Target.Project)
	left := component.Fit(" gameday  "+journal.Plain(m.Runbook.Title), max(0, width-ansi.StringWidth(right)))
	return component.Banner.Render(component.Fit(left+journal.Plain(right), width))
}

func (m *model) stepLine(width int) string {
	stations, at := make([]string, len(journal.Phases)), -1
	run := m.record.Current()
	for i, p := range journal.Phases {
		stations[i] = strings.ToUpper(string(p[:1])) + string(p[1:])
		if run != nil && p == run.Phase {
			at = i
		}
	}
	line := " " + component.Stepper(stations, at)
	if run == nil {
		return component.Fit(line, width)
	}
	badge, number, profile := faultBadge(run), fmt.Sprintf("run %d", run.Run), ""
	if run.Profile != "" {
		profile = " · " + journal.Plain(run.Profile)
	}
	for _, right := range []string{badge + number + profile, badge + number, badge} {
		if gap := width - ansi.StringWidth(line) - ansi.StringWidth(right) - 1; gap > 0 {
			return line + strings.Repeat(" ", gap) + right + " "
		}
	}
	return component.Fit(badge+line, width)
}

// faultBadge says for as long as a fault may be in effect that it may be.
func faultBadge(run *journal.Run) string {
	if !run.Active() || !run.Confirmed {
		return ""
	}
	if _, injected := run.Injected(); injected {
		return component.BadBack.Render(" FAULT ACTIVE ") + " "
	}
	return component.BadBack.Render(" FAULT ARMED ") + " "
}

func (m *model) messageLine(width int) string {
	text := m.message
	if text == "" {
		if m.running() || m.record.Current() == nil {
			text = m.record.Message.Is
		}
	}
	return " " + component.Warn.Render(component.Fit(journal.Plain(text), width-1))
}

// keyLine names as many keys as fit; help and leave are always among them.
func (m *model) keyLine(width int) string {
	actions := m.actions()
	always := ""
	for _, a := range actions[len(actions)-2:] {
		always += "  " + a.label()
	}
	line := ""
	for _, a := range actions[:len(actions)-2] {
		if a.name == "" {
			continue
		}
		part := " " + a.label() + " "
		if ansi.StringWidth(line)+ansi.StringWidth(part)+ansi.StringWidth(always) > width {
			break
		}
		line += part
	}
	return line + strings.TrimPrefix(always, " ")
}

func (a action) label() string {
	key := strings.TrimSpace(a.keys[0])
	if key == "" {
		key = "space"
	}
	switch {
	case a.why != "":
		return component.Faint.Render(key + " " + a.name)
	case a.name == "HALT":
		return component.BadBack.Render(" " + key + " HALT ")
	default:
		return component.Strong.Render(key) + " " + a.name
	}
}

// helpPage lists every key and what it does, and why some do nothing now.
type helpPage struct{ actions []action }

func (h helpPage) Lines(width int) []string {
	lines := []string{component.Strong.Render("What the keys do here"), ""}
	var rows [][]string
	for _, a := range h.actions {
		key := strings.Join(a.keys, " ")
		if strings.TrimSpace(a.keys[0]) == "" {
			key = "space"
		}
		text := a.long
		if a.why != "" {
			text += component.Faint.Render(" (not now: " + a.why + ")")
		}
		rows = append(rows, []string{component.Strong.Render(key), text})
	}
	lines = append(lines, component.Columns(rows, width, 3)...)
	return append(lines, "", component.Faint.Render("any key closes this"))
}
