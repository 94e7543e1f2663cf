package journal

import (
	"fmt"
	"os"
	"path/filepath"
)

// Export renders a game day's folder anew from its log: journal.md, journal.html, charts/*.svg and result.json.
func Export(dir string) error {
	record, _, err := ReadRecord(dir)
	if err != nil {
		return err
	}
	return ExportRecord(dir, record)
}

// ExportRecord renders a record into a folder.
func ExportRecord(dir string, r *Record) error {
	if err := os.MkdirAll(filepath.Join(dir, "charts"), 0o755); err != nil {
		return fmt.Errorf("the journal's charts cannot be written: %w", err)
	}
	var pictures []chart
	for _, run := range r.Runs {
		pictures = append(pictures, chartsOf(run)...)
	}
	markdown := Markdown(r)
	html, err := renderHTML(r.Opened.Title, markdown, pictures)
	if err != nil {
		return err
	}
	result, err := Summarize(r).JSON()
	if err != nil {
		return err
	}
	files := map[string][]byte{"journal.md": markdown, "journal.html": html, "result.json": result}
	for _, p := range pictures {
		files[p.file] = p.svg
	}
	for name, data := range files {
		if err := replace(filepath.Join(dir, name), data); err != nil {
			return fmt.Errorf("the journal cannot be rendered: %w", err)
		}
	}
	return nil
}

// HTML renders a record as one page with its charts inside.
func HTML(r *Record) ([]byte, error) {
	var pictures []chart
	for _, run := range r.Runs {
		pictures = append(pictures, chartsOf(run)...)
	}
	return renderHTML(r.Opened.Title, Markdown(r), pictures)
}

// replace writes a file so that whoever reads it sees the old one or the new one, never half of it.
func replace(path string, data []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
