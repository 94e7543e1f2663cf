package secret

import (
	"strings"
	"testing"
)

func TestExpandedValuesAreHiddenAgain(t *testing.T) {
	t.Setenv("CANARY", "tweety-7")
	v := New(map[string]string{"DSN": "postgres://u:pa55word@h:1/d"})
	var params struct {
		URL     string
		Headers map[string]string
		Argv    []string
	}
	params.URL, params.Headers, params.Argv = "${DSN}", map[string]string{"A": "Bearer ${CANARY}"}, []string{"x", "${CANARY}"}
	if err := v.ExpandAll(&params); err != nil {
		t.Fatal(err)
	}
	if params.URL != "postgres://u:pa55word@h:1/d" || params.Headers["A"] != "Bearer tweety-7" || params.Argv[1] != "tweety-7" {
		t.Errorf("%+v", params)
	}
	got := v.Hide("cannot reach postgres://u:pa55word@h:1/d; password pa55word refused; token tweety-7")
	if strings.Contains(got, "pa55word") || strings.Contains(got, "tweety") {
		t.Error(got)
	}
	if _, err := v.Expand("${NOBODY_SET_THIS}"); err == nil || !strings.Contains(err.Error(), "NOBODY_SET_THIS") {
		t.Error(err)
	}
}
