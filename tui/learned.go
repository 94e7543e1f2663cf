package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"gameday/journal"
	"gameday/tui/component"
)

func visible(s string) int { return ansi.StringWidth(s) }

// learned shows the verdict, on what evidence, and the runs side by side.
func (m *model) learned(run *journal.Run, width, height int) []string {
	var lines []string
	if v := run.Verdict; v != nil {
		style, word := component.Good, "HELD"
		switch v.Verdict {
		case journal.Held:
		case journal.Refuted:
			style, word = component.Bad, "REFUTED"
		default:
			style, word = component.Warn, strings.ToUpper(string(v.Verdict))
		}
		lines = append(lines, style.Bold(true).Render(fmt.Sprintf("Run %d: the hypothesis is %s", run.Run, word)))
		if v.Verdict == journal.Aborted || v.Verdict == journal.Inconclusive {
			lines[0] = style.Bold(true).Render(fmt.Sprintf("Run %d: %s", run.Run, word))
		}
		for _, reason := range v.Reasons[:min(len(v.Reasons), max(2, height/4))] {
			for i, part := range component.Wrap(journal.Plain(reason), width-2) {
				bullet := "  "
				if i == 0 {
					bullet = "· "
				}
				lines = append(lines, bullet+part)
			}
		}
		lines = lines[:min(len(lines), max(3, height-12))]
	}
	if !m.wide() {
		lines = append(lines, component.Faint.Render("tab: the timeline, and what could be changed"))
	}
	table := m.sideBySide(width)
	lines = append(lines, component.Rule("side by side", width))
	lines = append(lines, table[:min(len(table), max(0, height-len(lines)))]...)
	return append(lines, m.charts(run, width, height-len(lines))...)
}

// sideBySide puts the newest runs beside each other, as many as fit.
func (m *model) sideBySide(width int) []string {
	runs := m.record.Runs[max(0, len(m.record.Runs)-max(2, (width-34)/22)):]
	head := []string{""}
	for _, r := range runs {
		head = append(head, component.Strong.Render(fmt.Sprintf("run %d", r.Run)))
	}
	rows := [][]string{head}
	for _, row := range journal.Compare(runs) {
		cells := []string{component.Fit(journal.Plain(row.Name), min(30, width/3))}
		for i, v := range row.Values {
			text := journal.Plain(v)
			if i == row.Better {
				text = component.Good.Render(text)
			}
			cells = append(cells, text)
		}
		rows = append(rows, cells)
	}
	return component.Columns(rows, width, 2)
}
