package runbook

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
)

// Mistake is one thing wrong with a runbook, and where.
type Mistake struct {
	File      string
	Line, Col int
	What      string
}

func (m Mistake) Error() string { return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Col, m.What) }

// Mistakes are all that are wrong, in the document's order.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// decoder turns YAML nodes into the types of this package and collects every mistake on the way.
type decoder struct {
	file     string
	root     *yaml.Node
	mistakes Mistakes
}

// custom is a type with a shape of its own.
type custom interface {
	decode(d *decoder, n *yaml.Node)
	schema() map[string]any
}

func (d *decoder) wrong(n *yaml.Node, format string, args ...any) {
	d.mistakes = append(d.mistakes, Mistake{d.file, max(n.Line, 1), max(n.Column, 1), fmt.Sprintf(format, args...)})
}

func (d *decoder) into(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		d.wrong(n, "aliases are not part of this language; write the value out")
		return
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		d.into(n, fresh.Elem())
		v.Set(fresh)
		return
	}
	switch at := v.Addr().Interface().(type) {
	case custom:
		at.decode(d, n)
		return
	case value:
		if text, ok := d.scalar(n, "a value such as "+at.example()); ok {
			if err := at.parse(text); err != nil {
				d.wrong(n, "%q %v; write it as %s", text, err, at.example())
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if text, ok := d.scalar(n, "text"); ok {
			v.SetString(text)
		}
	case reflect.Int:
		if text, ok := d.scalar(n, "a whole number"); ok {
			number, err := strconv.Atoi(text)
			if err != nil {
				d.wrong(n, "%q is not a whole number", text)
			}
			v.SetInt(int64(number))
		}
	case reflect.Slice:
		d.list(n, v)
	case reflect.Map:
		d.texts(n, v)
	case reflect.Struct:
		d.fields(n, v)
	default:
		panic("runbook: no decoding for " + v.Type().String())
	}
}

func (d *decoder) scalar(n *yaml.Node, want string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.wrong(n, "here belongs %s, not %s", want, describe(n))
		return "", false
	}
	return strings.TrimSpace(n.Value), true
}

func (d *decoder) list(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, "here belongs a list, not %s", describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.into(item, out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) texts(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "here belong names with values, not %s", describe(n))
		return
	}
	out := map[string]string{}
	d.pairs(n, func(key, val *yaml.Node) {
		if text, ok := d.scalar(val, "text"); ok {
			out[key.Value] = text
		}
	})
	v.Set(reflect.ValueOf(out))
}

// pairs visits a mapping's entries, and reports keys that come twice.
func (d *decoder) pairs(n *yaml.Node, visit func(key, val *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, twice := seen[key.Value]; twice {
			d.wrong(key, "%q is here twice; the first is in line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		visit(key, n.Content[i+1])
	}
}

// field is one key of a struct.
type field struct {
	name     string
	required bool
	doc      string
	oneOf    []string
	index    []int
	kind     reflect.Type
}

// fieldsOf reads a struct's tags; an embedded struct's keys count as its own.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				all = append(all, inner)
			}
			continue
		}
		name, flag, _ := strings.Cut(f.Tag.Get("key"), ",")
		if name == "" || name == "-" {
			continue
		}
		one := field{name: name, required: flag == "required", doc: f.Tag.Get("doc"), index: []int{i}, kind: f.Type}
		if list := f.Tag.Get("oneof"); list != "" {
			one.oneOf = strings.Split(list, ",")
		}
		all = append(all, one)
	}
	return all
}

func (d *decoder) fields(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "here belong keys with values, not %s", describe(n))
		return
	}
	d.known(n, v, fieldsOf(v.Type()))
}

// known decodes the keys that a struct has, and reports those that it has not and those that are missing.
func (d *decoder) known(n *yaml.Node, v reflect.Value, fields []field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	given := map[string]bool{}
	d.pairs(n, func(key, val *yaml.Node) {
		i := slices.Index(names, key.Value)
		if i < 0 {
			d.wrong(key, "there is no key %q here%s", key.Value, suggest(key.Value, names))
			return
		}
		given[key.Value] = true
		at := v.FieldByIndex(fields[i].index)
		d.into(val, at)
		d.allowed(val, at, fields[i])
	})
	for _, f := range fields {
		if f.required && !given[f.name] {
			d.wrong(n, "the key %q is missing: %s", f.name, f.doc)
		}
	}
}

func (d *decoder) allowed(n *yaml.Node, v reflect.Value, f field) {
	if f.oneOf == nil {
		return
	}
	check := func(n *yaml.Node, text string) {
		if text != "" && !slices.Contains(f.oneOf, text) {
			d.wrong(n, "%s: there is no %q%s", f.name, text, suggest(text, f.oneOf))
		}
	}
	switch v.Kind() {
	case reflect.String:
		check(n, v.String())
	case reflect.Slice:
		for i := range min(v.Len(), len(n.Content)) {
			check(n.Content[i], v.Index(i).String())
		}
	}
}

// suggest names the nearest of what there is, and all of it.
func suggest(got string, all []string) string {
	best, distance := "", 3
	for _, one := range all {
		if n := levenshtein.ComputeDistance(strings.ToLower(got), strings.ToLower(one)); n < distance {
			best, distance = one, n
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return " (there are: " + strings.Join(all, ", ") + ")"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return fmt.Sprintf("%q", n.Value)
	default:
		return "this"
	}
}
