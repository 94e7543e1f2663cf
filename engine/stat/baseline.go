package stat

import (
	"math"
	"slices"
)

// Mean is the arithmetic mean, or zero of nothing.
func Mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}

// Furthest is the value that lies furthest from a reference, or zero of nothing.
func Furthest(values []float64, from float64) float64 {
	worst := 0.0
	for i, v := range values {
		if i == 0 || math.Abs(v-from) > math.Abs(worst-from) {
			worst = v
		}
	}
	return worst
}

// UpperTolerance gives a distribution-free upper tolerance limit: the largest of n values covers, with 95% confidence, at
// least a share of 0.05^(1/n) of all values (S. S. Wilks, "Determination of Sample Sizes for Setting Tolerance Limits",
// 1941). ok is false for fewer than 30 values, which say too little, and where all values are the same.
func UpperTolerance(values []float64) (limit, coverage float64, ok bool) {
	n := len(values)
	if n < 30 || slices.Min(values) == slices.Max(values) {
		return 0, 0, false
	}
	return slices.Max(values), math.Pow(0.05, 1/float64(n)), true
}
