package main

import (
	"fmt"
	"html"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

const cellWidth, cellHeight, fontSize = 8.43, 18, 14

// The sixteen colours of a quiet dark theme.
var palette = [16]string{
	"#1c1f24", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
	"#6b7280", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#ffffff",
}

const ground, ink = "#1c1f24", "#c8ccd4"

func stripped(frame string) string { return ansi.Strip(frame) }

// style is what a terminal's SGR sequences amount to (ECMA-48, 8.3.117), as far as the console uses them.
type style struct {
	fore, back    string
	bold, reverse bool
}

func (s *style) apply(codes string) {
	for _, code := range strings.Split(codes, ";") {
		n, _ := strconv.Atoi(code)
		switch {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 22:
			s.bold = false
		case n == 7:
			s.reverse = true
		case n == 27:
			s.reverse = false
		case n >= 30 && n <= 37:
			s.fore = palette[n-30]
		case n == 39:
			s.fore = ""
		case n >= 40 && n <= 47:
			s.back = palette[n-40]
		case n == 49:
			s.back = ""
		case n >= 90 && n <= 97:
			s.fore = palette[n-90+8]
		case n >= 100 && n <= 107:
			s.back = palette[n-100+8]
		}
	}
}

// picture draws a captured frame, each cell where it belongs whatever font is there.
func picture(frame string, width, height int) string {
	var out strings.Builder
	w, h := float64(width)*cellWidth+24, float64(height*cellHeight+24)
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="DejaVu Sans Mono, monospace" font-size="%d"><rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", w, h, fontSize, ground)
	for y, line := range strings.Split(frame, "\n") {
		x := 0
		var now style
		for line != "" {
			if rest, ok := strings.CutPrefix(line, "\x1b["); ok {
				codes, after, _ := strings.Cut(rest, "m")
				now.apply(codes)
				line = after
				continue
			}
			run, after := line, ""
			if i := strings.IndexByte(line, '\x1b'); i >= 0 {
				run, after = line[:i], line[i:]
			}
			line = after
			x = text(&out, run, x, y, now)
		}
	}
	out.WriteString("</svg>\n")
	return out.String()
}

func text(out *strings.Builder, run string, x, y int, s style) int {
	fore, back := s.fore, s.back
	if fore == "" {
		fore = ink
	}
	if s.reverse {
		if back == "" {
			back = ground
		}
		fore, back = back, fore
	}
	n := ansi.StringWidth(run)
	left, top := 12+float64(x)*cellWidth, float64(12+y*cellHeight)
	if back != "" && back != ground {
		fmt.Fprintf(out, `<rect x="%.1f" y="%.0f" width="%.1f" height="%d" fill="%s"/>`, left, top, float64(n)*cellWidth, cellHeight, back)
	}
	weight := ""
	if s.bold {
		weight = ` font-weight="bold"`
	}
	for _, r := range run {
		at := 12 + float64(x)*cellWidth
		x += max(1, ansi.StringWidth(string(r)))
		switch {
		case r == ' ':
		case r >= 0x2800 && r <= 0x28ff:
			braille(out, r-0x2800, at, top, fore)
		default:
			fmt.Fprintf(out, `<text x="%.1f" y="%.1f" fill="%s"%s>%s</text>`, at, top+cellHeight-4.5, fore, weight, html.EscapeString(string(r)))
		}
	}
	out.WriteByte('\n')
	return x
}

// braille draws a cell's dots: bits 0–2 and 6 are the left column from above, 3–5 and 7 the right.
func braille(out *strings.Builder, bits rune, left, top float64, fore string) {
	for bit, at := range [8][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}} {
		if bits&(1<<bit) != 0 {
			fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="1.3" fill="%s"/>`, left+cellWidth*(.25+.5*float64(at[0])), top+cellHeight*(.125+.25*float64(at[1])), fore)
		}
	}
}
