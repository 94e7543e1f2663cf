package runbook

import (
	"encoding/json"
	"reflect"
)

// Schema is the language as JSON Schema (draft 2020-12), made from the same types that the decoder uses.
func Schema() []byte {
	root := schemaOf(reflect.TypeFor[Runbook](), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Gameday runbook, v1"
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // the types are fixed
	}
	return append(out, '\n')
}

func schemaOf(t reflect.Type, doc string) map[string]any {
	s := shape(t)
	if doc != "" {
		s["description"] = doc
	}
	return s
}

func shape(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		return shape(t.Elem())
	}
	switch at := reflect.New(t).Interface().(type) {
	case custom:
		return at.schema()
	case *Percent:
		return map[string]any{"type": []string{"string", "number"}, "examples": []string{at.example()}}
	case value:
		return map[string]any{"type": "string", "examples": []string{at.example()}}
	}
	switch t.Kind() {
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": shape(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": []string{"string", "number", "boolean"}}}
	case reflect.Struct:
		return object(fieldsOf(t))
	default:
		return map[string]any{"type": "string"}
	}
}

func object(fields []field) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fields {
		one := schemaOf(f.kind, f.doc)
		if f.oneOf != nil {
			at := one
			if items, ok := one["items"].(map[string]any); ok {
				at = items
			}
			at["enum"] = f.oneOf
		}
		properties[f.name] = one
		if f.required {
			required = append(required, f.name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func (p *ProbeSpec) schema() map[string]any {
	var kinds []any
	for _, name := range ProbeKinds() {
		kinds = append(kinds, shape(reflect.TypeOf(probeKinds[name].params)))
	}
	return map[string]any{"oneOf": kinds}
}

func (f *Fault) schema() map[string]any {
	var kinds []any
	for _, name := range FaultKinds() {
		one := object(append(fieldsOf(reflect.TypeFor[faultBase]()), fieldsOf(reflect.TypeOf(faultKinds[name]))...))
		one["properties"].(map[string]any)["fault"] = map[string]any{"const": name}
		kinds = append(kinds, one)
	}
	return map[string]any{"oneOf": kinds}
}

func (h *HTTP) schema() map[string]any {
	return map[string]any{"oneOf": []any{map[string]any{"type": "string"}, object(fieldsOf(reflect.TypeFor[HTTP]()))}}
}

func (p *Profile) schema() map[string]any {
	return map[string]any{"oneOf": []any{
		map[string]any{"enum": []string{"naive", "resilient"}},
		map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}},
	}}
}

func (e *Expression) schema() map[string]any {
	return map[string]any{"type": "string", "examples": []string{"value >= 0.99"}}
}
