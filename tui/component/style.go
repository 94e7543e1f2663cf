// Package component holds the small pieces that screens are made of. Each turns plain values into lines of text of a
// given width; none knows a session, a journal or a key.
package component

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// The colours are the terminal's own sixteen, so that they fit whatever theme it has; no meaning hangs on colour alone.
var (
	Strong  = lipgloss.NewStyle().Bold(true)
	Faint   = lipgloss.NewStyle().Foreground(lipgloss.BrightBlack)
	Good    = lipgloss.NewStyle().Foreground(lipgloss.Green)
	Bad     = lipgloss.NewStyle().Foreground(lipgloss.Red)
	Warn    = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	Accent  = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
	Chosen  = lipgloss.NewStyle().Reverse(true)
	Banner  = lipgloss.NewStyle().Bold(true).Reverse(true)
	BadBack = lipgloss.NewStyle().Background(lipgloss.Red).Foreground(lipgloss.BrightWhite).Bold(true)
)

// Fit cuts or fills a line to exactly width columns.
func Fit(line string, width int) string {
	if width <= 0 {
		return ""
	}
	if w := ansi.StringWidth(line); w <= width {
		return line + strings.Repeat(" ", width-w)
	}
	return ansi.Truncate(line, width, "…")
}

// Block cuts or fills lines to exactly width by height.
func Block(lines []string, width, height int) []string {
	out := make([]string, height)
	for i := range out {
		if i < len(lines) {
			out[i] = Fit(lines[i], width)
		} else {
			out[i] = strings.Repeat(" ", max(0, width))
		}
	}
	return out
}

// Wrap breaks text into lines of at most width columns.
func Wrap(text string, width int) []string {
	const unbroken = "\u2011" // names such as worker-3 stay whole
	return strings.Split(strings.ReplaceAll(ansi.Wrap(strings.ReplaceAll(text, "-", unbroken), max(1, width), ""), unbroken, "-"), "\n")
}

// Beside puts two blocks of the same height side by side, with a gap.
func Beside(left, right []string, gap int) []string {
	out := make([]string, len(left))
	for i := range left {
		out[i] = left[i] + strings.Repeat(" ", gap) + right[i]
	}
	return out
}

// Rule is a line across with a title in it.
func Rule(title string, width int) string {
	if title == "" {
		return Faint.Render(strings.Repeat("─", max(0, width)))
	}
	line := Faint.Render("── ") + Strong.Render(title) + " "
	return line + Faint.Render(strings.Repeat("─", max(0, width-ansi.StringWidth(line))))
}

// Columns lays rows of cells out in columns as wide as their widest cell; the last column takes what is left of width.
func Columns(rows [][]string, width, gap int) []string {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	out := make([]string, len(rows))
	for n, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			if i == len(r)-1 {
				line.WriteString(cell)
				break
			}
			line.WriteString(Fit(cell, widths[i]+gap))
		}
		out[n] = ansi.Truncate(line.String(), max(0, width), "…")
	}
	return out
}
