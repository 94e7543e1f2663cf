package component

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Dialog lies over a screen until it is answered. Update returns nil when it is done.
type Dialog interface {
	Update(tea.KeyPressMsg) (Dialog, tea.Cmd)
	Paste(string)
	Lines(width int) []string
}

// Question asks yes or no.
type Question struct {
	Text []string
	Yes  func() tea.Cmd
	Then *Question // asked after a yes, instead of Yes
}

// Update takes y for yes; n and escape leave.
func (q *Question) Update(k tea.KeyPressMsg) (Dialog, tea.Cmd) {
	switch k.String() {
	case "y", "Y":
		if q.Then != nil {
			return q.Then, nil
		}
		return nil, q.Yes()
	case "n", "N", "esc", "q":
		return nil, nil
	}
	return q, nil
}

// Paste does nothing: nobody answers such a question by accident.
func (*Question) Paste(string) {}

// Lines shows the question.
func (q *Question) Lines(width int) []string {
	var lines []string
	for _, t := range q.Text {
		lines = append(lines, Wrap(t, width)...)
	}
	return append(lines, "", Strong.Render("y")+" yes   "+Strong.Render("n")+" no")
}

// Form asks for some lines of text.
type Form struct {
	Title  string
	Hint   string
	Done   func(values []string) (problem string, cmd tea.Cmd)
	labels []string
	inputs []textinput.Model
	at     int
	wrong  string
}

// NewForm makes a form; labels and values go together.
func NewForm(title, hint string, labels, values []string, done func([]string) (string, tea.Cmd)) *Form {
	f := &Form{Title: title, Hint: hint, Done: done, labels: labels}
	for _, v := range values {
		in := textinput.New()
		in.Prompt, in.CharLimit = "", 1000
		in.SetValue(v)
		in.CursorEnd()
		f.inputs = append(f.inputs, in)
	}
	f.inputs[0].Focus()
	return f
}

// Update moves between lines with tab and the arrows, ends with enter on the last, and leaves with escape.
func (f *Form) Update(k tea.KeyPressMsg) (Dialog, tea.Cmd) {
	switch k.String() {
	case "esc":
		return nil, nil
	case "tab", "down":
		f.focus(f.at + 1)
		return f, nil
	case "shift+tab", "up":
		f.focus(f.at - 1)
		return f, nil
	case "enter":
		if f.at < len(f.inputs)-1 {
			f.focus(f.at + 1)
			return f, nil
		}
		values := make([]string, len(f.inputs))
		for i, in := range f.inputs {
			values[i] = strings.TrimSpace(in.Value())
		}
		problem, cmd := f.Done(values)
		if problem != "" {
			f.wrong = problem
			return f, nil
		}
		return nil, cmd
	}
	var cmd tea.Cmd
	f.inputs[f.at], cmd = f.inputs[f.at].Update(k)
	f.wrong = ""
	return f, cmd
}

// Paste puts text where the cursor is.
func (f *Form) Paste(text string) {
	f.inputs[f.at], _ = f.inputs[f.at].Update(tea.PasteMsg{Content: text})
}

func (f *Form) focus(at int) {
	f.inputs[f.at].Blur()
	f.at = (at + len(f.inputs)) % len(f.inputs)
	f.inputs[f.at].Focus()
}

// Lines shows the form.
func (f *Form) Lines(width int) []string {
	lines := []string{Strong.Render(f.Title)}
	if f.Hint != "" {
		for _, l := range Wrap(f.Hint, width) {
			lines = append(lines, Faint.Render(l))
		}
	}
	lines = append(lines, "")
	label := 0
	for _, l := range f.labels {
		label = max(label, ansi.StringWidth(l))
	}
	for i := range f.inputs {
		f.inputs[i].SetWidth(max(10, width-label-3))
		mark := "  "
		if i == f.at {
			mark = Accent.Render("› ")
		}
		lines = append(lines, mark+Fit(f.labels[i], label)+" "+f.inputs[i].View())
	}
	lines = append(lines, "")
	if f.wrong != "" {
		lines = append(lines, Wrap(Bad.Render(f.wrong), width)...)
	}
	return append(lines, Faint.Render("enter done · tab next · esc leave"))
}

// Over lays something in a frame over the middle of a screen of lines.
func Over(lines []string, d interface{ Lines(width int) []string }, width, height int) []string {
	inner := min(width-8, 84)
	framed := lipgloss.NewStyle().Border(lipgloss.RoundedBorder()).BorderForeground(lipgloss.Cyan).Padding(0, 1).Width(inner + 4).Render(strings.Join(d.Lines(inner), "\n"))
	box := strings.Split(framed, "\n")
	top, left := max(0, (height-len(box))/2), max(0, (width-inner-4)/2)
	out := append([]string(nil), lines...)
	for i, b := range box {
		if top+i >= len(out) {
			break
		}
		under := out[top+i]
		right := ansi.TruncateLeft(under, left+ansi.StringWidth(b), "")
		out[top+i] = Fit(ansi.Truncate(under, left, ""), left) + "\x1b[0m" + b + "\x1b[0m" + right
	}
	return out
}
