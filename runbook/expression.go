package runbook

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
	"go.yaml.in/yaml/v3"
)

// Expression is a condition in the Expr language over named values. It reads no files and runs no programs.
type Expression struct {
	Text string

	program *vm.Program
	node    *yaml.Node
}

// longestExpression bounds what one may write.
const longestExpression = 1000

func (e *Expression) decode(d *decoder, n *yaml.Node) {
	if t, ok := d.scalar(n, "a condition such as value >= 0.99"); ok {
		e.Text, e.node = t, n
	}
}

// Compile checks text against the names it may use (a value of each name's type; nil allows any) and makes it ready.
func Compile(text string, names map[string]any) (Expression, error) {
	e := Expression{Text: text}
	return e, e.compile(names)
}

func (e *Expression) compile(names map[string]any) error {
	if len(e.Text) > longestExpression {
		return fmt.Errorf("the condition is longer than %d characters", longestExpression)
	}
	options := []expr.Option{expr.AsBool(), expr.MaxNodes(200)}
	if names == nil {
		options = append(options, expr.Env(map[string]any{}), expr.AllowUndefinedVariables())
	} else {
		env := types.Map{}
		for name, v := range names {
			if env[name] = types.TypeOf(v); v == anything {
				env[name] = types.Any
			}
		}
		options = append(options, expr.Env(env))
	}
	program, err := expr.Compile(literals(e.Text), options...)
	if err != nil {
		var at *file.Error
		if errors.As(err, &at) {
			return errors.New(at.Message)
		}
		return err
	}
	e.program = program
	return nil
}

// Holds evaluates the condition with values for its names.
func (e Expression) Holds(values map[string]any) (bool, error) {
	if e.program == nil {
		return false, errors.New("the condition was not compiled")
	}
	out, err := expr.Run(e.program, values)
	if err != nil {
		var at *file.Error
		if errors.As(err, &at) {
			err = errors.New(at.Message)
		}
		return false, fmt.Errorf("%s: %w", e.Text, err)
	}
	held, _ := out.(bool)
	return held, nil
}

var literal = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s?([KMGT]?i?B|ns|us|µs|ms|s|m|h|%)`)

// literals rewrites what people write (250ms, 64MiB, 30%) as what Expr reads, outside of strings.
func literals(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\'' || c == '`':
			end := i + 1
			for end < len(text) && text[end] != c {
				if text[end] == '\\' && c != '`' {
					end++
				}
				end++
			}
			end = min(end+1, len(text))
			out.WriteString(text[i:end])
			i = end
		case isWord(c):
			if m := literal.FindStringSubmatch(text[i:]); m != nil && endsLiteral(text[i+len(m[0]):], m[2]) {
				out.WriteString(rewrite(m[1], m[2]))
				i += len(m[0])
				continue
			}
			for i < len(text) && (isWord(text[i]) || text[i] == '.') {
				out.WriteByte(text[i])
				i++
			}
		default:
			out.WriteByte(c)
			i++
		}
	}
	return out.String()
}

func rewrite(number, unit string) string {
	switch unit {
	case "ns", "us", "µs", "ms", "s", "m", "h":
		return fmt.Sprintf("duration(%q)", number+unit)
	case "%":
		return "(" + number + "/100)"
	default:
		bytes, _ := parseSize(number + unit)
		return strconv.FormatFloat(bytes, 'f', 0, 64)
	}
}

// endsLiteral tells a unit from the start of a longer word, and a percent sign from the remainder operator.
func endsLiteral(rest, unit string) bool {
	if unit != "%" {
		return rest == "" || !isWord(rest[0])
	}
	rest = strings.TrimSpace(rest)
	for _, next := range []string{")", "and ", "or ", "&&", "||", "?", ":"} {
		if strings.HasPrefix(rest, next) {
			return true
		}
	}
	return rest == ""
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// CompileExpectation makes a condition ready over what probes of a kind measure.
func CompileExpectation(kind, text string) (Expression, error) {
	return Compile(text, probeKinds[kind].names)
}
