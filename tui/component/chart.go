package component

import (
	"fmt"
	"math"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/NimbleMarkets/ntcharts/v2/linechart/timeserieslinechart"
	"github.com/NimbleMarkets/ntcharts/v2/sparkline"
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

const earlier = "earlier"

// View draws the chart into width by height.
func (c Chart) View(width, height int) []string {
	if width < 16 || height < 3 || c.End <= c.Begin {
		return Block(nil, width, height)
	}
	at := func(d time.Duration) time.Time { return time.Unix(0, 0).UTC().Add(d) }
	low, high := bounds(append(append([]Point(nil), c.Points...), c.Earlier...))
	style := Good
	if !c.Good {
		style = Bad
	}
	m := timeserieslinechart.New(width, height,
		timeserieslinechart.WithTimeRange(at(c.Begin), at(c.End)), timeserieslinechart.WithYRange(low, high),
		timeserieslinechart.WithXYSteps(max(2, width/6), 2), timeserieslinechart.WithAxesStyles(Faint, Faint),
		timeserieslinechart.WithXLabelFormatter(func(_ int, seconds float64) string {
			if s := fmt.Sprintf("%+.0fs", seconds-c.Zero.Seconds()); s != "-0s" && s != "+0s" {
				return s
			}
			return "0s"
		}),
		timeserieslinechart.WithYLabelFormatter(func(_ int, v float64) string { return c.Format(v) }),
		timeserieslinechart.WithStyle(style),
	)
	m.AutoMinX, m.AutoMaxX, m.AutoMinY, m.AutoMaxY = false, false, false, false
	m.SetDataSetStyle(earlier, Faint)
	names := []string{}
	if len(c.Earlier) > 0 {
		for _, p := range thin(c.Earlier, c.Begin, c.End, 2*width) {
			m.PushDataSet(earlier, timeserieslinechart.TimePoint{Time: at(p.At), Value: p.Value})
		}
		names = append(names, earlier)
	}
	for _, p := range thin(c.Points, c.Begin, c.End, 2*width) {
		m.Push(timeserieslinechart.TimePoint{Time: at(p.At), Value: p.Value})
	}
	m.DrawBrailleDataSets(append(names, timeserieslinechart.DefaultDataSetName))
	for i, mark := range c.Marks {
		colour := lipgloss.Red
		if i%2 == 1 {
			colour = lipgloss.Blue
		}
		m.SetColumnBackgroundStyle(at(mark), lipgloss.NewStyle().Background(colour))
	}
	return Block(strings.Split(m.View(), "\n"), width, height)
}

func bounds(points []Point) (low, high float64) {
	for _, p := range points {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	if high == low {
		return low, low + 1
	}
	return low, high + (high-low)*.05
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

// Spark shows the newest values as one line of bars.
func Spark(values []float64, width int, good bool) string {
	if width < 1 {
		return ""
	}
	style := Good
	if !good {
		style = Bad
	}
	m := sparkline.New(width, 1, sparkline.WithStyle(style))
	m.PushAll(values[max(0, len(values)-width):])
	m.Draw()
	return m.View()
}
