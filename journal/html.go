package journal

import (
	"bytes"
	"encoding/base64"
	"html/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

var page = template.Must(template.New("journal").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{.Title}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; padding-bottom: .3rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { border: 1px solid #ddd; padding: .3rem .7rem; text-align: left; vertical-align: top }
th { background: #f5f5f5 } code { background: #f3f3f3; padding: 0 .2em } blockquote { border-left: 3px solid #3a6ea5; margin-left: 0; padding-left: 1rem }
img { max-width: 100% }
</style></head><body>
{{.Body}}
</body></html>
`))

// renderHTML makes one self-contained page of the markdown, with the charts inside. It carries no script, and its policy
// lets none run.
func renderHTML(title string, markdown []byte, pictures []chart) ([]byte, error) {
	var body bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.Table)).Convert(markdown, &body); err != nil {
		return nil, err
	}
	html := body.Bytes()
	for _, p := range pictures {
		data := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(p.svg)
		html = bytes.ReplaceAll(html, []byte(`src="`+p.file+`"`), []byte(`src="`+data+`"`))
	}
	var out bytes.Buffer
	err := page.Execute(&out, struct {
		Title string
		Body  template.HTML
	}{Plain(title), template.HTML(html)})
	return out.Bytes(), err
}
