package journal

import (
	"bytes"
	"strconv"
	"time"
)

// Most of a log is samples. They are read by hand where they are written as this program writes them; any other way of
// writing the same is left to the JSON decoder.

// cursor goes over text that is expected to be so and not otherwise.
type cursor struct {
	rest []byte
	ok   bool
}

func (c *cursor) text(want string) bool {
	after, found := bytes.CutPrefix(c.rest, []byte(want))
	if found {
		c.rest = after
	}
	return found
}

func (c *cursor) must(want string) { c.ok = c.ok && c.text(want) }

// number takes what a JSON number is made of.
func (c *cursor) number() string {
	n := 0
	for n < len(c.rest) && (c.rest[n] >= '0' && c.rest[n] <= '9' || c.rest[n] == '-' || c.rest[n] == '.' || c.rest[n] == 'e' || c.rest[n] == 'E' || c.rest[n] == '+') {
		n++
	}
	field := c.rest[:n]
	c.rest = c.rest[n:]
	return string(field)
}

func (c *cursor) integer() int64 {
	v, err := strconv.ParseInt(c.number(), 10, 64)
	c.ok = c.ok && err == nil
	return v
}

func (c *cursor) float() float64 {
	v, err := strconv.ParseFloat(c.number(), 64)
	c.ok = c.ok && err == nil
	return v
}

// quickSamples reads a body of samples that have neither errors nor load.
func quickSamples(body []byte) (s Samples, ok bool) {
	c := &cursor{body, true}
	c.must(`{"run":`)
	s.Run = int(c.integer())
	c.must(`,"probes":[`)
	for c.ok {
		var one Sample
		c.must(`{"p":`)
		one.Probe = int(c.integer())
		c.must(`,"t":`)
		one.Off = time.Duration(c.integer())
		c.must(`,"v":`)
		one.Value = c.float()
		if c.text(`,"ok":true}`) {
			one.Held = true
		} else {
			c.must(`,"ok":false}`)
		}
		s.Probes = append(s.Probes, one)
		if !c.text(",") {
			break
		}
	}
	c.must("]}")
	return s, c.ok && len(c.rest) == 0
}
