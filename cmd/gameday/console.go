package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gameday/engine"
	"gameday/engine/platform"
	"gameday/journal"
	"gameday/runbook"
	"gameday/tui"
)

// home opens the console's home: runbooks, past game days, what is up. Without a terminal it is the help.
func home(c *cobra.Command, _ []string) error {
	if !terminals() {
		return c.Help()
	}
	h := tui.Home{Entries: append(knownRunbooks(), knownDays("gamedays")...)}
	for _, where := range []string{"local", "compose"} {
		s, err := openPlatform(c.Context(), platform.Target{Platform: where, Project: defaultProject})
		if err != nil {
			continue
		}
		units, _ := s.Units(c.Context())
		for _, u := range units {
			h.Up = append(h.Up, journal.Unit{Unit: u.Name, Service: u.Service, State: string(u.State)})
		}
		break
	}
	chosen, err := tui.Choose(c.Context(), h)
	if err != nil || chosen == "" {
		return err
	}
	rb, err := findRunbook(chosen)
	if err != nil {
		return err
	}
	note, err := guardTarget(c.Context(), rb, leave{evidence: "gamedays"}, c.InOrStdin(), c.OutOrStdout())
	if err != nil {
		return err
	}
	return guided(c.Context(), rb, "", 0, note)
}

// knownRunbooks are the library's and those in this folder.
func knownRunbooks() []tui.Entry {
	var all []tui.Entry
	for _, name := range runbook.Library() {
		if rb, err := runbook.FromLibrary(name); err == nil {
			all = append(all, tui.Entry{Name: name, Title: rb.Title})
		}
	}
	paths, _ := filepath.Glob("*.yaml")
	for _, path := range paths {
		rb, err := runbook.Read(path)
		switch {
		case err == nil:
			all = append(all, tui.Entry{Name: path, Title: rb.Title})
		case looksLikeRunbook(path):
			all = append(all, tui.Entry{Name: path, Note: "has mistakes", Title: "gameday validate says where", Read: func() (string, error) { return err.Error(), nil }})
		}
	}
	return all
}

// looksLikeRunbook tells a runbook with mistakes from any other YAML file.
func looksLikeRunbook(path string) bool {
	data, err := os.ReadFile(path)
	return err == nil && strings.Contains(string(data), "gameday: v1")
}

// knownDays are the past game days, the newest first.
func knownDays(folder string) []tui.Entry {
	days, _ := pastDays(folder)
	slices.Reverse(days)
	var all []tui.Entry
	for _, d := range days {
		all = append(all, tui.Entry{Name: filepath.Base(d.folder), Title: d.record.Opened.Title, Note: d.verdicts(), Day: true, Read: func() (string, error) {
			if d.err != nil {
				return "", d.err
			}
			return string(journal.Markdown(d.record)), nil
		}})
	}
	return all
}

// bundled reports whether a runbook is for the stack that comes with this program, which can be brought up from here;
// anybody else's has to be up already.
func bundled(rb *runbook.Runbook) bool {
	return rb.Target.Platform != "aws" && (rb.Target.Project == defaultProject || rb.Profile != nil || rb.Load != nil && rb.Load.Workflow != "")
}

// guided opens the guided flow on a terminal, and brings the bundled stack up before where the runbook is for that.
func guided(ctx context.Context, rb *runbook.Runbook, folder string, seed uint64, note string) error {
	if bundled(rb) {
		fmt.Println("Bringing the bundled stack up …")
		if _, _, err := bring(ctx, rb.Target.Platform, rb.Target.Project, before, func(what string) { fmt.Println("  …", what) }); err != nil {
			return &exit{inconclusive, err}
		}
		if rb.Profile == nil {
			rb.Profile = &runbook.Profile{Name: before}
		}
	}
	feed := tui.NewFeed()
	day, err := begin(ctx, rb, folder, seed, false, feed.Hear, func(text string) { fmt.Println("  …", text) })
	if err != nil {
		return err
	}
	if note != "" {
		day.Remark(note)
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
	stillUp(os.Stdout, rb)
	if err := errors.Join(err, screenErr); err != nil {
		return &exit{inconclusive, err}
	}
	return nil
}
