package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gameday/engine"
	"gameday/runbook"
	"gameday/tui"
)

// home opens the console's home.
func home(c *cobra.Command, _ []string) error { return c.Help() }

// guided brings the stack up and opens the guided flow on a terminal.
func guided(ctx context.Context, rb *runbook.Runbook, folder string, seed uint64) error {
	fmt.Println("Bringing the bundled stack up …")
	if _, _, err := bring(ctx, rb.Target.Project, before, func(what string) { fmt.Println("  …", what) }); err != nil {
		return &exit{inconclusive, err}
	}
	if rb.Profile == nil {
		rb.Profile = &runbook.Profile{Name: before}
	}
	feed := tui.NewFeed()
	day, err := begin(ctx, rb, folder, seed, false, feed.Hear, func(text string) { fmt.Println("  …", text) })
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() {
		err := day.Run(ctx)
		ended <- err
		ended <- err
	}()
	screenErr := tui.Run(context.WithoutCancel(ctx), tui.Options{Session: day.Session, Feed: feed, Runbook: rb, By: username(), Folder: shown(day.folder), Ended: ended})
	if screenErr != nil { // the terminal is gone or unusable: everything is put back all the same
		day.Do(engine.Halt{By: "the lost terminal"})
		day.Do(engine.Close{})
	}
	err = <-ended
	summary(os.Stdout, day.Session)
	fmt.Printf("\nThe journal: %s\n", shown(day.folder, "journal.md"))
	fmt.Println("The stack is still up: gameday ps shows it, gameday down ends it.")
	if err := errors.Join(err, screenErr); err != nil {
		return &exit{inconclusive, err}
	}
	return nil
}
