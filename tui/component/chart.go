package component

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/NimbleMarkets/ntcharts/v2/canvas"
	"github.com/NimbleMarkets/ntcharts/v2/canvas/graph"
	"github.com/charmbracelet/x/ansi"
)

// Point is one value at a time.
type Point struct {
	At    time.Duration
	Value float64
}

// Chart is a picture of values over time. Zero is the time that its axis counts from.
type Chart struct {
	Points  []Point
	Earlier []Point         // the same of an earlier run, drawn faintly
	Begin   time.Duration   // left edge
	End     time.Duration   // right edge
	Zero    time.Duration   // what the axis calls 0
	Marks   []time.Duration // upright lines: injection, revert
	Format  func(float64) string
	Good    bool // in tolerance now
}

// The styles of a chart's cells, by number so that cells of one style are drawn in one go.
const (
	plain = iota
	line
	ghost
	marked
)

// View draws the chart into width by height: values on the left, time below, a line of braille dots between.
func (c Chart) View(width, height int) []string {
	low, high := bounds(c.Points, c.Earlier)
	h := height - 2
	label := 0
	for y := range max(0, h) {
		label = max(label, ansi.StringWidth(c.valueAt(y, h, low, high)))
	}
	w := width - label - 1
	if w < 8 || h < 1 || c.End <= c.Begin {
		return Block(nil, width, height)
	}
	now, before := c.dots(c.Points, w, h, low, high), c.dots(c.Earlier, w, h, low, high)
	marks := map[int]bool{}
	for _, m := range c.Marks {
		if x := c.column(m, w); x >= 0 && x < w {
			marks[x] = true
		}
	}
	lines := make([]string, 0, height)
	for y := range h {
		lines = append(lines, c.valueLabel(y, h, label, low, high)+c.row(now, before, marks, y, w))
	}
	lines = append(lines, Faint.Render(strings.Repeat(" ", label)+"└"+strings.Repeat("─", w)))
	return append(lines, Fit(Faint.Render(strings.Repeat(" ", label+1)+c.timeLabels(w)), width))
}

func (c Chart) column(at time.Duration, w int) int {
	return int(float64(w) * float64(at-c.Begin) / float64(c.End-c.Begin))
}

// dots draws a series as braille.
func (c Chart) dots(points []Point, w, h int, low, high float64) [][]rune {
	if len(points) == 0 {
		return nil
	}
	grid := graph.NewBrailleGrid(w, h, 0, float64(c.End-c.Begin), low, high)
	first, _ := slices.BinarySearchFunc(points, c.Begin, func(p Point, at time.Duration) int { return cmp.Compare(p.At, at) })
	last, _ := slices.BinarySearchFunc(points, c.End, func(p Point, at time.Duration) int { return cmp.Compare(p.At, at) })
	points = thin(points[first:last], c.Begin, c.End, 2*w)
	at := func(p Point) canvas.Point {
		return grid.GridPoint(canvas.Float64Point{X: float64(p.At - c.Begin), Y: p.Value})
	}
	for i, p := range points {
		next := points[min(i+1, len(points)-1)]
		for _, dot := range graph.GetLinePoints(at(p), at(next)) {
			grid.Set(dot)
		}
	}
	return grid.BraillePatterns()
}

func (c Chart) row(now, before [][]rune, marks map[int]bool, y, w int) string {
	style := Good
	if !c.Good {
		style = Bad
	}
	styles := [...]lipgloss.Style{lipgloss.NewStyle(), style, Faint, Warn}
	var out, run strings.Builder
	last := plain
	flush := func() {
		if run.Len() > 0 {
			if last == plain {
				out.WriteString(run.String())
			} else {
				out.WriteString(styles[last].Render(run.String()))
			}
			run.Reset()
		}
	}
	for x := range w {
		kind, r := plain, ' '
		switch {
		case dotted(now, x, y):
			kind, r = line, now[y][x]
		case marks[x]:
			kind, r = marked, '┊'
		case dotted(before, x, y):
			kind, r = ghost, before[y][x]
		}
		if kind != last {
			flush()
			last = kind
		}
		run.WriteRune(r)
	}
	flush()
	return out.String()
}

const emptyBraille = '\u2800'

func dotted(rows [][]rune, x, y int) bool {
	return y < len(rows) && x < len(rows[y]) && rows[y][x] != 0 && rows[y][x] != emptyBraille && rows[y][x] != ' '
}

// valueAt is what stands before a line: the first, the middle and the last say their value.
func (c Chart) valueAt(y, h int, low, high float64) string {
	switch {
	case y == 0:
		return c.Format(high)
	case y == h-1:
		return c.Format(low)
	case y == h/2 && h >= 5:
		return c.Format(high - (high-low)*float64(y)/float64(h-1))
	}
	return ""
}

func (c Chart) valueLabel(y, h, label int, low, high float64) string {
	text := c.valueAt(y, h, low, high)
	return Faint.Render(strings.Repeat(" ", label-ansi.StringWidth(text)) + text + "│")
}

// timeLabels writes seconds from Zero, every so many columns.
func (c Chart) timeLabels(w int) string {
	var out strings.Builder
	n := max(1, w/14)
	for i := range n {
		at := c.Begin + time.Duration(float64(c.End-c.Begin)*float64(i)/float64(n))
		text := fmt.Sprintf("%+.0fs", (at - c.Zero).Seconds())
		if text == "-0s" || text == "+0s" {
			text = "0s"
		}
		out.WriteString(strings.Repeat(" ", max(0, w*i/n-out.Len())) + text)
	}
	return out.String()
}

func bounds(series ...[]Point) (low, high float64) {
	for _, points := range series {
		for _, p := range points {
			low, high = min(low, p.Value), max(high, p.Value)
		}
	}
	if high == low {
		return low, low + 1
	}
	return low, high
}

// thin keeps at most n points: of each span the one that lies furthest from the span's neighbours' line, so that spikes
// stay.
func thin(points []Point, begin, end time.Duration, n int) []Point {
	if len(points) <= n {
		return points
	}
	mean := 0.0
	for _, p := range points {
		mean += p.Value / float64(len(points))
	}
	var out []Point
	last := -1
	for _, p := range points {
		i := int(float64(n) * float64(p.At-begin) / float64(end-begin))
		switch {
		case i != last:
			out, last = append(out, p), i
		case math.Abs(p.Value-mean) > math.Abs(out[len(out)-1].Value-mean):
			out[len(out)-1] = p
		}
	}
	return out
}

var bars = []rune("▁▂▃▄▅▆▇█")

// Spark shows the newest values as one line of bars.
func Spark(values []float64, width int, good bool) string {
	if width < 1 || len(values) == 0 {
		return ""
	}
	values = values[max(0, len(values)-width):]
	low, high := min(0, slices.Min(values)), slices.Max(values)
	var out strings.Builder
	for _, v := range values {
		level := 0
		if high > low {
			level = int((v - low) / (high - low) * float64(len(bars)-1))
		}
		out.WriteRune(bars[level])
	}
	if good {
		return Good.Render(out.String())
	}
	return Bad.Render(out.String())
}
