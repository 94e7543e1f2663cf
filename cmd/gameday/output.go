package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/charmbracelet/x/ansi"

	"gameday/journal"
)

// clean makes text from a target harmless for a terminal.
func clean(s string) string { return journal.Plain(s) }

// wrap breaks text into lines of at most width columns.
func wrap(s string, width int) string {
	const unbroken = "\u2011" // names such as worker-3 stay whole
	return strings.ReplaceAll(ansi.Wordwrap(strings.ReplaceAll(s, "-", unbroken), width, ""), unbroken, "-")
}

// shown gives a path as somebody in this folder would type it.
func shown(parts ...string) string {
	path := filepath.Join(parts...)
	if here, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(short, "..") {
			return short
		}
	}
	return path
}

func printRows(out io.Writer, rows []journal.Row) {
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	head := []string{""}
	for i := range rows[0].Values {
		head = append(head, fmt.Sprintf("run %d", i+1))
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, r := range rows {
		cells := []string{clean(r.Name)}
		for _, v := range r.Values {
			cells = append(cells, clean(v))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush()
}

// The JUnit format as CI systems read it: an experiment is a test case; refuted is a failure, and what could not be
// judged an error.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Time     float64     `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string    `xml:"name,attr"`
		Class   string    `xml:"classname,attr"`
		Failure *junitWhy `xml:"failure,omitempty"`
		Error   *junitWhy `xml:"error,omitempty"`
	}
	junitWhy struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func junit(r journal.Result) ([]byte, error) {
	s := junitSuite{Name: clean(r.Title), Tests: len(r.Experiments)}
	if r.Ended != nil {
		s.Time = r.Ended.Sub(r.Started).Seconds()
	}
	for _, e := range r.Experiments {
		c := junitCase{Name: clean(e.Name), Class: s.Name}
		why := &junitWhy{Message: string(e.Verdict), Text: clean(strings.Join(e.Reasons, "; "))}
		switch e.Verdict {
		case journal.Held:
		case journal.Refuted:
			c.Failure = why
			s.Failures++
		default:
			c.Error = why
			s.Errors++
		}
		s.Cases = append(s.Cases, c)
	}
	out, err := xml.MarshalIndent(s, "", "  ")
	return append([]byte(xml.Header), append(out, '\n')...), err
}
