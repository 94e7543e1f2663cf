package journal

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Plain makes text from elsewhere harmless: what a terminal or a page would act on (control characters, escapes,
// changes of writing direction, invisible characters) is written out, and nothing is dropped. Line ends become spaces.
func Plain(s string) string {
	clean := true
	for _, r := range s {
		if acts(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == '\n' || r == '\t':
			out.WriteByte(' ')
		case r == unicode.ReplacementChar && s[i] != "\uFFFD"[0]:
			fmt.Fprintf(&out, "⟨0x%02X⟩", s[i])
		case acts(r):
			fmt.Fprintf(&out, "⟨U+%04X⟩", r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

func acts(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == unicode.ReplacementChar
}

// Number writes a measured value short, without pretending more digits than matter.
func Number(v float64) string {
	if v == float64(int64(v)) && v < 1e9 && v > -1e9 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// Span writes a duration as people say it.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}

// Count writes a number of things.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// Aimed says in words what a fault is for: its units, with outOf how many there were to choose from (0 leaves that out).
func Aimed(units []string, outOf int) string {
	switch {
	case len(units) == 0:
		return "no unit in particular"
	case outOf == 0:
		return strings.Join(units, ", ")
	default:
		return fmt.Sprintf("%s (%d of %d)", strings.Join(units, ", "), len(units), outOf)
	}
}
