package local_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"gameday/engine/platform/local"
)

// FuzzOrder feeds the supervisor's door with orders that no client of ours sends.
func FuzzOrder(f *testing.F) {
	f.Add("POST", "/units/worker-1/kill", `{"signal":"KILL"}`)
	f.Add("POST", "/units/../down", `{}`)
	f.Add("GET", "/units", ``)
	f.Add("POST", "/units/worker-1/stop", `{"grace":-1}`)
	door := local.EmptyDoor()
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if path == "/watch" || path == "/down" || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \x00\r\n\t\x7f?#%") {
			return
		}
		for _, r := range method {
			if r < 'A' || r > 'Z' {
				return
			}
		}
		if method == "" {
			return
		}
		req := httptest.NewRequest("GET", "http://gameday/", strings.NewReader(body))
		req.Method, req.URL.Path = method, path
		door.ServeHTTP(httptest.NewRecorder(), req)
	})
}
