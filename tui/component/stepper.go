package component

import "strings"

// Stepper shows the stations of a way and where on it one is; at is -1 before the first.
func Stepper(stations []string, at int) string {
	parts := make([]string, len(stations))
	for i, s := range stations {
		switch {
		case i < at:
			parts[i] = Good.Render("✓ " + s)
		case i == at:
			parts[i] = Chosen.Render(" " + s + " ")
		default:
			parts[i] = Faint.Render(s)
		}
	}
	return strings.Join(parts, Faint.Render(" › "))
}

// Bar shows how much of something is over, as a bar of width columns.
func Bar(share float64, width int) string {
	share = min(max(share, 0), 1)
	full := int(share*float64(width) + .5)
	return Accent.Render(strings.Repeat("█", full)) + Faint.Render(strings.Repeat("░", max(0, width-full)))
}
