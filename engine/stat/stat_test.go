package stat

import (
	"testing"
	"time"
)

// line writes a series as people draw it: + held, - not, one sample every 100 ms, | the injection.
func line(drawing string) (series []Point, injected time.Duration) {
	at := time.Duration(0)
	for _, c := range drawing {
		if c == '|' {
			injected = at
			continue
		}
		series = append(series, Point{At: at, Held: c == '+'})
		at += 100 * time.Millisecond
	}
	return series, injected
}

func TestJudge(t *testing.T) {
	ms := func(n int) *time.Duration { d := time.Duration(n) * time.Millisecond; return &d }
	for _, c := range []struct {
		drawing         string
		detect, recover *time.Duration
		recovered       bool
	}{
		{"+++|++++++", nil, nil, true},
		{"+++|+--+++", ms(100), ms(300), true},
		{"+++|+--++", ms(100), nil, false}, // the window of three is not whole
		{"+++|+-+++--+++", ms(100), ms(700), true},
		{"+++|+-+++-----", ms(100), nil, false},
		{"+-+|++++", nil, nil, true}, // what was before the injection does not count
		{"+++|----", ms(0), nil, false},
	} {
		series, injected := line(c.drawing)
		got := Judge(series, injected, 300*time.Millisecond, 100*time.Millisecond)
		if !same(got.Detect, c.detect) || !same(got.Recover, c.recover) || got.Recovered != c.recovered {
			t.Errorf("%s: detect %v recover %v recovered %v", c.drawing, got.Detect, got.Recover, got.Recovered)
		}
	}
}

func same(a, b *time.Duration) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func TestTrackSaysLeavingAndReturningOnce(t *testing.T) {
	series, _ := line("++++--+-++++-")
	track := NewTrack(300*time.Millisecond, 100*time.Millisecond)
	said := ""
	for _, p := range series {
		left, returned := track.Feed(p.At, p.Held)
		switch {
		case left:
			said += "L"
		case returned:
			said += "R"
		default:
			said += "."
		}
	}
	if said != "....L.....R.L" {
		t.Error(said)
	}
}

func TestCompare(t *testing.T) {
	quiet, loud := []float64{}, []float64{}
	for i := range 40 {
		quiet = append(quiet, float64(10+i%3))
		loud = append(loud, float64(20+i%3))
	}
	s, ok := Compare(quiet, loud, 1)
	if !ok || s.P > 0.001 || s.Low < 9 || s.High > 11 {
		t.Errorf("%+v %v", s, ok)
	}
	s, ok = Compare(quiet, quiet, 1)
	if !ok || s.P < 0.9 || s.Low > 0 || s.High < 0 {
		t.Errorf("the same values: %+v %v", s, ok)
	}
	if s, ok = Compare([]float64{1, 1, 1, 1, 1}, []float64{1, 1, 1, 1, 1}, 1); !ok || s.P != 1 {
		t.Errorf("constants: %+v %v", s, ok)
	}
	if _, ok = Compare(quiet[:3], loud, 1); ok {
		t.Error("three values are not enough")
	}
}
