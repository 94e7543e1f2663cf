package runbook

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed library/*.yaml
var shelf embed.FS

// Library names the ready runbooks.
func Library() []string {
	entries, err := shelf.ReadDir("library")
	if err != nil {
		panic(err) // it is embedded
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// FromLibrary reads a ready runbook by its name.
func FromLibrary(name string) (*Runbook, error) {
	data, err := shelf.ReadFile(path.Join("library", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("there is no runbook %q in the library%s", name, suggest(name, Library()))
	}
	return Parse(name+".yaml", data)
}
