package stat

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// Shift says how the values during a fault differ from those before, as distributions.
type Shift struct {
	Before, During float64 // medians
	Low, High      float64 // 95% percentile-bootstrap interval of the difference of the medians
	P              float64 // two-sided Mann–Whitney U test
}

const resamples = 500

// Compare compares two samples; ok is false where there are too few values to say anything.
func Compare(before, during []float64, seed uint64) (s Shift, ok bool) {
	if len(before) < 5 || len(during) < 5 {
		return s, false
	}
	test, err := stats.MannWhitneyUTest(before, during, stats.LocationDiffers)
	switch {
	case err == nil:
		s.P = test.P
	case slices.Min(before) == slices.Max(before) && slices.Min(during) == slices.Max(during):
		s.P = 1 // all values are the same
	default:
		return s, false
	}
	s.Before, s.During = median(before), median(during)
	random := rand.New(rand.NewPCG(seed, 1))
	differences := make([]float64, resamples)
	for i := range differences {
		differences[i] = median(draw(random, during)) - median(draw(random, before))
	}
	slices.Sort(differences)
	s.Low, s.High = differences[resamples*25/1000], differences[resamples*975/1000]
	return s, true
}

func draw(random *rand.Rand, from []float64) []float64 {
	out := make([]float64, len(from))
	for i := range out {
		out[i] = from[random.IntN(len(from))]
	}
	return out
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
