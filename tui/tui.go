// Package tui is the face: screens on which a team walks through a game day. Events come in, commands go out.
//
// It holds nothing of the game day that it did not fold from events.
package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gameday/engine"
	"gameday/runbook"
)

// Session is what the screens need of an engine's session.
type Session interface {
	Do(engine.Command)
	SettingsState(context.Context) (engine.SettingsState, error)
}

// Options are what a console shows.
type Options struct {
	Session Session
	Feed    *Feed
	Runbook *runbook.Runbook
	By      string
	Folder  string // of the journal, as somebody here would type it
	Ended   <-chan error
}

// Run shows the guided flow until the person leaves or the session ends. Terminal trouble is an error; a terminal that
// hangs up ends it too.
func Run(ctx context.Context, o Options) error {
	_, err := tea.NewProgram(newModel(o), tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(20)).Run()
	return err
}
