package tui

import (
	"context"
	"fmt"
	"strings"

	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"

	"gameday/journal"
	"gameday/tui/component"
)

// Entry is something that the home screen offers.
type Entry struct {
	Name  string // runbook's name or path, or game day's folder
	Title string
	Note  string // verdicts of a past game day, what is wrong with a runbook
	Day   bool   // a past game day
	Read  func() (string, error)
}

// Home is what the home screen shows.
type Home struct {
	Entries []Entry
	Up      []journal.Unit // of the bundled stack; empty where it is not up
}

// Choose shows the home screen and returns the runbook that was chosen, or "" where the person left.
func Choose(ctx context.Context, h Home) (string, error) {
	final, err := tea.NewProgram(&homeModel{Home: h, width: 80, height: 24}, tea.WithContext(ctx), tea.WithoutSignalHandler()).Run()
	if err != nil {
		return "", err
	}
	return final.(*homeModel).chosen, nil
}

type homeModel struct {
	Home
	at            int
	width, height int
	message       string
	reading       *viewport.Model // of a past game day's journal
	chosen        string
}

// Init asks for nothing.
func (*homeModel) Init() tea.Cmd { return nil }

// Update takes a message.
func (m *homeModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if m.reading != nil {
			m.open()
		}
	case tea.KeyPressMsg:
		return m, m.press(msg)
	}
	return m, nil
}

func (m *homeModel) press(k tea.KeyPressMsg) tea.Cmd {
	if m.reading != nil {
		switch k.String() {
		case "q", "esc", "left", "h":
			m.reading = nil
		case "ctrl+c":
			return tea.Quit
		default:
			next, cmd := m.reading.Update(k)
			m.reading = &next
			return cmd
		}
		return nil
	}
	m.message = ""
	switch k.String() {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "up", "k":
		m.at = (m.at + max(1, len(m.Entries)) - 1) % max(1, len(m.Entries))
	case "down", "j":
		m.at = (m.at + 1) % max(1, len(m.Entries))
	case "enter":
		if len(m.Entries) == 0 {
			return nil
		}
		e := m.Entries[m.at]
		if !e.Day && e.Note == "" {
			m.chosen = e.Name
			return tea.Quit
		}
		m.open()
	}
	return nil
}

// open reads the entry under the cursor, wrapped to the screen as it is.
func (m *homeModel) open() {
	e := m.Entries[m.at]
	if e.Read == nil {
		m.message = "this cannot be opened: " + e.Note
		return
	}
	text, err := e.Read()
	if err != nil {
		m.message = err.Error()
		return
	}
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, component.Wrap(journal.Plain(strings.TrimRight(line, "\n")), m.width-2)...)
	}
	offset := 0
	if m.reading != nil {
		offset = m.reading.YOffset()
	}
	v := viewport.New(viewport.WithWidth(m.width), viewport.WithHeight(max(1, m.height-3)))
	v.SetContentLines(lines)
	v.SetYOffset(offset)
	m.reading = &v
}

// View draws the screen.
func (m *homeModel) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	v.WindowTitle = "gameday"
	return v
}

func (m *homeModel) screen() string {
	width, height := max(m.width, 20), max(m.height, 8)
	title := component.Banner.Render(component.Fit(" gameday  learn how your system fails", width))
	var body []string
	keys := component.Strong.Render("enter") + " open  " + component.Strong.Render("↑↓") + " choose  " + component.Strong.Render("q") + " leave"
	if m.reading != nil {
		body = strings.Split(m.reading.View(), "\n")
		keys = component.Strong.Render("↑↓ pgup pgdn") + " scroll  " + component.Strong.Render("q") + " back"
	} else {
		body = m.list(width, height-3)
	}
	lines := append([]string{title}, component.Block(body, width, height-3)...)
	lines = append(lines, " "+component.Warn.Render(component.Fit(journal.Plain(m.message), width-1)), component.Fit(" "+keys, width))
	return strings.Join(lines, "\n")
}

func (m *homeModel) list(width, height int) []string {
	var lines []string
	cursor := 0
	section := ""
	for i, e := range m.Entries {
		head := "runbooks: enter begins a game day"
		if e.Day {
			head = "past game days: enter reads the journal"
		}
		if head != section {
			lines, section = append(lines, "", " "+component.Rule(head, width-2)), head
		}
		name := component.Fit(journal.Plain(e.Name), min(44, width/2))
		if i == m.at {
			name, cursor = component.Chosen.Render(name), len(lines)
		}
		line := " " + name + "  " + journal.Plain(e.Title)
		if e.Note != "" {
			line = " " + name + "  " + component.Accent.Render(journal.Plain(e.Note)) + "  " + component.Faint.Render(journal.Plain(e.Title))
		}
		lines = append(lines, component.Fit(line, width))
	}
	lines = append(lines, "", " "+component.Rule("the bundled stack", width-2), " "+m.stack())
	if len(lines) > height {
		first := max(0, min(cursor-height/2, len(lines)-height))
		lines = lines[first:]
	}
	return lines
}

func (m *homeModel) stack() string {
	if len(m.Up) == 0 {
		return component.Faint.Render("It is not up; a game day brings it up.")
	}
	running := 0
	for _, u := range m.Up {
		if u.State == "running" {
			running++
		}
	}
	return fmt.Sprintf("It is up: %d of %d units run.", running, len(m.Up))
}
