package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"gameday/engine"
	"gameday/journal"
	"gameday/runbook"
)

// The story that a rehearsal tells: the same experiment with the settings of before, and with those of after.
const storyRunbook, before, after = "kill-a-worker", "naive", "resilient"

func rehearseCommand() *cobra.Command {
	var folder, where string
	var seed uint64
	var screen bool
	c := &cobra.Command{
		Use: "rehearse [RUNBOOK]", Short: "Bring the bundled stack up and open the guided flow on it",
		Long: "Bring the bundled stack up and open the guided flow on it. Without a terminal it plays the rehearsal by itself: the experiment with naive settings, the change, and the experiment again with resilient ones; it exits 0 when the first was refuted and the second held.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := storyRunbook
			if len(args) == 1 {
				name = args[0]
			}
			rb, err := findRunbook(name)
			if err != nil {
				return err
			}
			if where != "" {
				rb.Target.Platform = where
			}
			if rb.Target.Platform != "local" && rb.Target.Platform != "compose" {
				return &exit{badUse, fmt.Errorf("rehearsals run on the platforms local and compose; %s is for %s", name, rb.Target.Platform)}
			}
			if rb.Environment != "rehearsal" {
				return &exit{badUse, fmt.Errorf("this runbook is for %s, which is no rehearsal: use gameday run", rb.Environment)}
			}
			if screen && terminals() {
				return guided(c.Context(), rb, folder, seed, "")
			}
			return rehearse(c.Context(), rb, folder, seed, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&folder, "journal", "", "folder of the journal (default gamedays/<date>-<slug>)")
	c.Flags().StringVar(&where, "platform", "", "where to rehearse, whatever the runbook says: local or compose")
	c.Flags().Uint64Var(&seed, "seed", 0, "seed of every random choice (default: a fresh one, which is printed)")
	c.Flags().BoolVar(&screen, "screen", true, "open the console; false plays the rehearsal by itself")
	return c
}

// terminals reports whether somebody is there to look and to type.
func terminals() bool { return term.IsTerminal(os.Stdin.Fd()) && term.IsTerminal(os.Stdout.Fd()) }

// rehearse plays the story by itself.
func rehearse(ctx context.Context, rb *runbook.Runbook, folder string, seed uint64, out io.Writer) error {
	p := newProgress(out)
	defer p.end()
	if !bundled(rb) {
		return &exit{badUse, errors.New("only the bundled stack can be rehearsed by itself, for its settings are known; run this runbook with: gameday run")}
	}
	p.say("bringing the bundled stack up")
	if _, _, err := bring(ctx, rb.Target.Platform, rb.Target.Project, before, func(what string) { p.say("waiting for " + what) }); err != nil {
		return &exit{inconclusive, err}
	}
	rb.Profile = &runbook.Profile{Name: before}
	day, err := begin(ctx, rb, folder, seed, true, p.hear, p.say)
	if err != nil {
		return err
	}
	err = day.Rehearse(ctx, rb.Experiments[0].Name, engine.Change{
		Profile: after, By: username(), Why: "what the first run showed",
	})
	p.end()
	if err != nil {
		return &exit{inconclusive, err}
	}
	summary(out, day.Session)
	fmt.Fprintf(out, "\nThe journal: %s\n", shown(day.folder, "journal.md"))
	stillUp(out, rb)
	runs := day.Result().Experiments
	if ctx.Err() != nil || len(runs) > 0 && runs[len(runs)-1].Verdict == journal.Aborted {
		return &exit{aborted, nil}
	}
	if len(runs) != 2 || runs[0].Verdict != journal.Refuted || runs[1].Verdict != journal.Held {
		return &exit{refuted, fmt.Errorf("the story did not come out: with %s settings the hypothesis should be refuted, and with %s ones it should hold", before, after)}
	}
	return nil
}

// stillUp says how to see and how to end the bundled stack.
func stillUp(out io.Writer, rb *runbook.Runbook) {
	if !bundled(rb) {
		return
	}
	flag := ""
	if rb.Target.Platform != "local" {
		flag = " --platform " + rb.Target.Platform
	}
	fmt.Fprintf(out, "The stack is still up: gameday ps%[1]s shows it, gameday down%[1]s ends it.\n", flag)
}
