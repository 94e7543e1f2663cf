package journal

import (
	"fmt"
	"math"
	"path"
	"strings"
	"time"

	"github.com/go-analyze/charts"
)

// chartPoints is how many points a chart has at most; where more were measured, each point shows the worst of its span.
const chartPoints = 160

// Grid spreads a series over n equal spans from begin to end: for each span the value that lies furthest from what is
// usual, so that no spike is lost, and NaN where nothing was measured.
func Grid(samples []Sample, begin, end time.Duration, n int) []float64 {
	grid := make([]float64, n)
	for i := range grid {
		grid[i] = math.NaN()
	}
	if end <= begin || n == 0 {
		return grid
	}
	usual := typical(samples)
	for _, s := range samples {
		if s.Error != "" || s.Off < begin || s.Off > end {
			continue
		}
		i := min(int(float64(n)*float64(s.Off-begin)/float64(end-begin)), n-1)
		if math.IsNaN(grid[i]) || math.Abs(s.Value-usual) > math.Abs(grid[i]-usual) {
			grid[i] = s.Value
		}
	}
	return grid
}

// typical is the mean of a series' first tenth, which is measured while all is quiet.
func typical(samples []Sample) float64 {
	sum, n := 0.0, 0
	for _, s := range samples[:min(len(samples), len(samples)/10+1)] {
		if s.Error == "" {
			sum, n = sum+s.Value, n+1
		}
	}
	return sum / float64(max(n, 1))
}

// chart is one picture of a run.
type chart struct {
	file, title string
	svg         []byte
}

// chartsOf draws every probe of a run over time, with the span in which the fault was in effect.
func chartsOf(run *Run) []chart {
	begin, end := run.Begun, run.lastOff()
	var all []chart
	for _, series := range run.Series {
		if len(series.Samples) < 2 {
			continue
		}
		svg, err := draw(run, series, begin, end)
		if err != nil {
			continue
		}
		all = append(all, chart{path.Join("charts", fmt.Sprintf("%d-%s.svg", run.Run, Slug(series.Def.Name))), series.Def.Name, svg})
	}
	return all
}

func (r *Run) lastOff() time.Duration {
	last := r.Begun
	for _, s := range r.Series {
		if n := len(s.Samples); n > 0 {
			last = max(last, s.Samples[n-1].Off)
		}
	}
	return last
}

func draw(run *Run, series Series, begin, end time.Duration) ([]byte, error) {
	injected, broken := run.Injected()
	n := min(chartPoints, len(series.Samples))
	values := Grid(series.Samples, begin, end, n)
	at := func(i int) time.Duration { return begin + time.Duration(float64(end-begin)*(float64(i)+.5)/float64(n)) }
	low, high := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == low {
		high = low + 1
	}
	inEffect, labels := make([]float64, n), make([]string, n)
	for i, v := range values {
		if math.IsNaN(v) {
			values[i] = charts.GetNullValue()
		}
		inEffect[i] = charts.GetNullValue()
		for _, f := range run.Faults {
			if f.InjectedOff != nil && at(i) >= *f.InjectedOff && (f.RevertedOff == nil || at(i) <= *f.RevertedOff) {
				inEffect[i] = low
			}
		}
		zero := begin
		if broken {
			zero = injected
		}
		labels[i] = fmt.Sprintf("%.0f s", (at(i) - zero).Round(time.Second).Seconds())
	}
	unit := series.Def.Unit
	opt := charts.NewLineChartOptionWithData([][]float64{values, inEffect})
	opt.Theme = charts.GetTheme(charts.ThemeLight).WithSeriesColors([]charts.Color{charts.ColorFromHex("#3a6ea5"), charts.ColorFromHex("#c0392b")})
	opt.Title.Text = Plain(series.Def.Name) + "   (expected: " + Plain(series.Def.Expect) + ")"
	opt.Title.FontStyle.FontSize = 12
	opt.Legend.SeriesNames = []string{"measured", "fault in effect"}
	opt.Legend.Offset = charts.OffsetRight
	opt.Legend.FontStyle.FontSize = 10
	opt.Symbol.Shape = charts.SymbolNone
	opt.LineStrokeWidth = 2
	opt.XAxis.Labels, opt.XAxis.LabelCount, opt.XAxis.BoundaryGap = labels, 9, charts.Ptr(false)
	opt.YAxis = []charts.YAxisOption{{Min: &low, Max: charts.Ptr(high + (high-low)/20), LabelCount: 5, ValueFormatter: func(v float64) string { return WithUnit(v, unit) }}}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 860, Height: 240})
	if err := painter.LineChart(opt); err != nil {
		return nil, err
	}
	return painter.Bytes()
}

// Slug makes a name for a file or folder of what a person wrote.
func Slug(s string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			out.WriteRune(r)
		case out.Len() > 0 && !strings.HasSuffix(out.String(), "-"):
			out.WriteByte('-')
		}
	}
	name := strings.Trim(out.String(), "-")
	if name == "" {
		return "unnamed"
	}
	return name[:min(len(name), 60)]
}
