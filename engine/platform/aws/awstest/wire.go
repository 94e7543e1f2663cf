package awstest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// failure is an error as AWS answers it.
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func bad(code, format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// node is a structure of an answer; list one of its lists, with the name that its entries have in XML.
type (
	node map[string]any
	list struct {
		entry string
		of    []any
	}
)

func listOf[T any](entry string, all []T, show func(T) any) list {
	l := list{entry: entry, of: []any{}}
	for _, one := range all {
		l.of = append(l.of, show(one))
	}
	return l
}

func tagsList(entry, key, value string, tags map[string]string) list {
	l := list{entry: entry, of: []any{}}
	for k, v := range tags {
		l.of = append(l.of, node{key: k, value: v})
	}
	return l
}

// serve tells the protocols apart: JSON by its target header, REST by its path, and the query protocols by
// their form.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		http.Error(w, "the request is not signed", http.StatusForbidden)
		return
	}
	switch target := r.Header.Get("X-Amz-Target"); {
	case target != "":
		c.serveJSON(w, target[strings.LastIndex(target, ".")+1:], body)
	case strings.HasPrefix(r.URL.Path, "/experiment"):
		c.serveREST(w, r, body)
	default:
		form, err := url.ParseQuery(string(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.serveQuery(w, form)
	}
}

// admit writes a call down, and refuses it where it is to be refused. It needs mu.
func (c *Cloud) admit(call Call) error {
	c.advance()
	call.At = time.Now()
	c.calls = append(c.calls, call)
	if c.throttled > 0 {
		c.throttled--
		return bad("ThrottlingException", "Rate exceeded")
	}
	if c.denied[call.Name] {
		return &failure{http.StatusForbidden, "AccessDeniedException", "not authorized to perform " + call.Name}
	}
	return nil
}

func asFailure(err error) *failure {
	if f, ok := err.(*failure); ok {
		return f
	}
	return &failure{http.StatusInternalServerError, "InternalFailure", err.Error()}
}

func (c *Cloud) serveJSON(w http.ResponseWriter, name string, body []byte) {
	in := map[string]any{}
	_ = json.Unmarshal(body, &in)
	c.mu.Lock()
	err := c.admit(Call{Name: name, Body: in})
	var out node
	if err == nil {
		handle, ok := jsonCalls[name]
		if !ok {
			err = bad("UnknownOperationException", "%s", name)
		} else {
			out, err = handle(c, in)
		}
	}
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		f := asFailure(err)
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": f.code, "message": f.message})
		return
	}
	_ = json.NewEncoder(w).Encode(plain(out))
}

// plain makes what JSON knows of an answer.
func plain(v any) any {
	switch v := v.(type) {
	case node:
		out := map[string]any{}
		for key, value := range v {
			out[key] = plain(value)
		}
		return out
	case list:
		out := make([]any, len(v.of))
		for i, one := range v.of {
			out[i] = plain(one)
		}
		return out
	case time.Time:
		return float64(v.UnixMilli()) / 1000
	default:
		return v
	}
}

func (c *Cloud) serveQuery(w http.ResponseWriter, form url.Values) {
	name := form.Get("Action")
	onEC2 := form.Get("Version") == "2016-11-15"
	c.mu.Lock()
	err := c.admit(Call{Name: name, Form: form})
	var out node
	if err == nil {
		handle, ok := queryCalls[name]
		if form.Get("Version") == "2014-10-31" && name == "DescribeEvents" { // RDS and ElastiCache both have it
			handle = rdsEvents
		}
		switch {
		case !ok:
			err = bad("InvalidAction", "%s", name)
		case form.Get("DryRun") == "true":
			err = &failure{http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."}
		default:
			out, err = handle(c, form)
		}
	}
	c.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	var text bytes.Buffer
	switch {
	case err != nil && onEC2:
		f := asFailure(err)
		w.WriteHeader(f.status)
		writeXML(&text, "Response", node{"Errors": list{"Error", []any{node{"Code": f.code, "Message": f.message}}}, "RequestID": "r"})
	case err != nil:
		f := asFailure(err)
		w.WriteHeader(f.status)
		writeXML(&text, "ErrorResponse", node{"Error": node{"Type": "Sender", "Code": f.code, "Message": f.message}, "RequestId": "r"})
	case onEC2:
		out["requestId"] = "r"
		writeXML(&text, name+"Response", out)
	default:
		writeXML(&text, name+"Response", node{name + "Result": out, "ResponseMetadata": node{"RequestId": "r"}})
	}
	_, _ = w.Write(text.Bytes())
}

func writeXML(w *bytes.Buffer, name string, v any) {
	fmt.Fprintf(w, "<%s>", name)
	switch v := v.(type) {
	case node:
		for key, value := range v {
			writeXML(w, key, value)
		}
	case list:
		for _, one := range v.of {
			writeXML(w, v.entry, one)
		}
	case time.Time:
		w.WriteString(v.UTC().Format("2006-01-02T15:04:05.000Z"))
	default:
		_ = xml.EscapeText(w, []byte(fmt.Sprint(v)))
	}
	fmt.Fprintf(w, "</%s>", name)
}

// numbered reads a list of a form: prefix.1, prefix.2 and so on.
func numbered(form url.Values, prefix string) []string {
	var all []string
	for i := 1; ; i++ {
		v, ok := form[fmt.Sprintf("%s.%d", prefix, i)]
		if !ok {
			return all
		}
		all = append(all, v[0])
	}
}

// filters reads an EC2 request's filters.
func filters(form url.Values) map[string][]string {
	all := map[string][]string{}
	for i := 1; form.Has(fmt.Sprintf("Filter.%d.Name", i)); i++ {
		all[form.Get(fmt.Sprintf("Filter.%d.Name", i))] = numbered(form, fmt.Sprintf("Filter.%d.Value", i))
	}
	return all
}

// tagSpecs reads the tags that something is made with.
func tagSpecs(form url.Values) map[string]string {
	tags := map[string]string{}
	for i := 1; ; i++ {
		key := fmt.Sprintf("TagSpecification.1.Tag.%d.", i)
		if !form.Has(key + "Key") {
			return tags
		}
		tags[form.Get(key+"Key")] = form.Get(key + "Value")
	}
}

func texts(v any) []string {
	var all []string
	some, _ := v.([]any)
	for _, one := range some {
		if s, ok := one.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func text(v any) string { s, _ := v.(string); return s }
