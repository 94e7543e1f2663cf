package runbook

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, written as people write it: 250ms, 15s, 15 s, 2m.
type Duration time.Duration

// Rate is a number of arrivals a second, written with its unit: 40/s, 90/m.
type Rate float64

// Percent is a share, written with or without its sign: 30%.
type Percent float64

// Size is a number of bytes: 64MiB, 10MB, 512KiB.
type Size int64

// ByteRate is a number of bytes a second, written with its unit: 1MB/s, 64KiB/s.
type ByteRate int64

// Std gives d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// value is text that becomes a typed value.
type value interface {
	parse(text string) error
	example() string
}

const longest = 30 * 24 * time.Hour

func (d *Duration) parse(text string) error {
	v, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil || v < 0 || v > longest {
		return errors.New("is not a duration")
	}
	*d = Duration(v)
	return nil
}
func (*Duration) example() string { return "250ms, 15s or 2m" }

var ratePattern = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*/\s*(s|m|min|h)$`)

func (r *Rate) parse(text string) error {
	m := ratePattern.FindStringSubmatch(text)
	if m == nil {
		return errors.New("is not a rate")
	}
	n, err := strconv.ParseFloat(m[1], 64)
	per := map[string]float64{"s": 1, "m": 60, "min": 60, "h": 3600}[m[2]]
	if err != nil || n <= 0 || n/per > 100_000 {
		return errors.New("is not a rate above 0 and up to 100000/s")
	}
	*r = Rate(n / per)
	return nil
}
func (*Rate) example() string { return "40/s" }

func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'g', 6, 64) + "/s" }

func (p *Percent) parse(text string) error {
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return errors.New("is not a share from 0% to 100%")
	}
	*p = Percent(n)
	return nil
}
func (*Percent) example() string { return "30%" }

var (
	sizePattern = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)$`)
	sizeUnits   = map[string]float64{"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
)

func (s *Size) parse(text string) error {
	n, err := parseSize(text)
	*s = Size(n)
	return err
}
func (*Size) example() string { return "64MiB" }

func (r *ByteRate) parse(text string) error {
	size, perSecond := strings.CutSuffix(strings.ReplaceAll(text, " ", ""), "/s")
	n, err := parseSize(size)
	if err != nil || !perSecond || n < 1 {
		return errors.New("is not a number of bytes a second")
	}
	*r = ByteRate(n)
	return nil
}
func (*ByteRate) example() string { return "1MB/s" }

func parseSize(text string) (float64, error) {
	m := sizePattern.FindStringSubmatch(text)
	if m == nil || sizeUnits[m[2]] == 0 {
		return 0, errors.New("is not a size")
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if n *= sizeUnits[m[2]]; err != nil || n > math.MaxInt64/2 {
		return 0, fmt.Errorf("is not a size that a machine has")
	}
	return n, nil
}
