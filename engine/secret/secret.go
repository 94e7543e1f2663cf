// Package secret holds the values that ${NAME} stands for in a runbook, and keeps them out of every text that leaves the
// engine. It keeps nothing on disk.
package secret

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Values looks names up: first among those that the target gives, then in the environment of this process.
type Values struct {
	target map[string]string

	mu     sync.Mutex
	hidden []hidden // the longest first
}

type hidden struct{ text, name string }

// shortest is the length from which a value is worth hiding; shorter ones would hit half of any text.
const shortest = 4

// New looks names up in target first.
func New(target map[string]string) *Values { return &Values{target: target} }

var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// Expand replaces every ${NAME}. A name that has no value is an error.
func (v *Values) Expand(text string) (string, error) {
	var missing []string
	out := reference.ReplaceAllStringFunc(text, func(m string) string {
		name := m[2 : len(m)-1]
		value, ok := v.target[name]
		if !ok {
			value, ok = os.LookupEnv(name)
		}
		if !ok {
			missing = append(missing, name)
		}
		v.hide(name, value)
		return value
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("${%s} has no value: the target does not give it; set it in the environment", strings.Join(missing, "}, ${"))
	}
	return out, nil
}

func (v *Values) hide(name, value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	add := func(text string) {
		if len(text) >= shortest && !slices.ContainsFunc(v.hidden, func(h hidden) bool { return h.text == text }) {
			v.hidden = append(v.hidden, hidden{text, "${" + name + "}"})
		}
	}
	add(value)
	if u, err := url.Parse(value); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			add(password)
			add(url.QueryEscape(password))
		}
	}
	slices.SortStableFunc(v.hidden, func(a, b hidden) int { return cmp.Compare(len(b.text), len(a.text)) })
}

// Hide writes the names back in place of every value that was expanded so far.
func (v *Values) Hide(text string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, h := range v.hidden {
		text = strings.ReplaceAll(text, h.text, h.name)
	}
	return text
}

// ExpandAll expands every string that is reachable from the struct that at points to.
func (v *Values) ExpandAll(at any) error { return v.walk(reflect.ValueOf(at)) }

func (v *Values) walk(at reflect.Value) error {
	switch at.Kind() {
	case reflect.Pointer:
		if !at.IsNil() {
			return v.walk(at.Elem())
		}
	case reflect.Struct:
		for i := range at.NumField() {
			if err := v.walk(at.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range at.Len() {
			if err := v.walk(at.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range at.MapKeys() {
			text, err := v.Expand(at.MapIndex(key).String())
			if err != nil {
				return err
			}
			at.SetMapIndex(key, reflect.ValueOf(text))
		}
	case reflect.String:
		text, err := v.Expand(at.String())
		if err != nil {
			return err
		}
		at.SetString(text)
	}
	return nil
}
