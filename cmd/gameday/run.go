package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"gameday/engine"
	"gameday/engine/platform/aws"
	"gameday/journal"
	"gameday/runbook"
)

type runFlags struct {
	experiments []string
	profile     string
	platform    string
	folder      string
	format      string
	seed        uint64
	yes         bool
	loseData    bool
	leave       leave
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use: "run RUNBOOK", Short: "Run a runbook without a screen", Args: exactly(1),
		Long: "Run a runbook without a screen: a file, or the name of one in the library.\n\nExit codes: 0 all held, 1 one was refuted, 2 the runbook or the flags are wrong, 3 aborted by a guard or a person, 4 the target or the platform failed.",
		RunE: func(c *cobra.Command, args []string) error {
			rb, err := f.runbook(args[0])
			if err != nil {
				return err
			}
			return run1(c.Context(), rb, f, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringSliceVar(&f.experiments, "experiment", nil, "run only this experiment (may be given again)")
	c.Flags().StringVar(&f.profile, "profile", "", "settings to begin with, whatever the runbook says: naive or resilient")
	c.Flags().StringVar(&f.platform, "platform", "", "where the target is, whatever the runbook says: local or compose")
	c.Flags().StringVar(&f.folder, "journal", "", "folder of the journal (default gamedays/<date>-<slug>)")
	c.Flags().StringVar(&f.format, "format", "text", "what to print: text, json or junit")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of every random choice (default: a fresh one, which is printed)")
	c.Flags().BoolVar(&f.yes, "yes", false, "do not ask before anything is broken")
	c.Flags().BoolVar(&f.loseData, "lose-data", false, "go on with faults that destroy data for good (cache.flush)")
	c.Flags().StringVar(&f.leave.confirm, "confirm", "", "production, and anything but rehearsals on AWS: the target's name or the account's alias, typed out")
	c.Flags().StringVar(&f.leave.override, "override", "", "staging and production: who takes it on without a held run in rehearsal, or in staging")
	c.Flags().StringVar(&f.leave.evidence, "evidence", "gamedays", "staging and production: folder of past game days")
	return c
}

// runbook reads the runbook and lets the flags have their say.
func (f *runFlags) runbook(name string) (*runbook.Runbook, error) {
	rb, err := findRunbook(name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"text", "json", "junit"}, f.format) {
		return nil, &exit{badUse, fmt.Errorf("there is no format %q (there are: text, json, junit)", f.format)}
	}
	switch f.platform {
	case "":
	case "local", "compose":
		rb.Target.Platform = f.platform
	default:
		return nil, &exit{badUse, fmt.Errorf("there is no platform %q here (there are: local, compose)", f.platform)}
	}
	switch f.profile {
	case "":
	case "naive", "resilient":
		rb.Profile = &runbook.Profile{Name: f.profile}
	default:
		return nil, &exit{badUse, fmt.Errorf("there is no profile %q (there are: naive, resilient)", f.profile)}
	}
	for _, name := range f.experiments {
		if !slices.ContainsFunc(rb.Experiments, func(e runbook.Experiment) bool { return e.Name == name }) {
			return nil, &exit{badUse, fmt.Errorf("the runbook has no experiment %q (it has: %s)", name, strings.Join(experimentNames(rb), ", "))}
		}
	}
	if len(f.experiments) > 0 { // what is not run need not fit the target
		rb.Experiments = slices.DeleteFunc(rb.Experiments, func(e runbook.Experiment) bool { return !slices.Contains(f.experiments, e.Name) })
	}
	return rb, nil
}

func experimentNames(rb *runbook.Runbook) []string {
	var names []string
	for _, e := range rb.Experiments {
		names = append(names, e.Name)
	}
	return names
}

// run1 runs a runbook and returns its outcome as an exit code.
func run1(ctx context.Context, rb *runbook.Runbook, f runFlags, in io.Reader, out, messages io.Writer) error {
	progressTo := out
	if f.format != "text" {
		progressTo = messages
	}
	if err := unasked(rb, f, in); err != nil {
		return err
	}
	note, err := guardTarget(ctx, rb, f.leave, in, messages)
	if err != nil {
		return err
	}
	if err := confirm(rb, f, in, messages); err != nil {
		return err
	}
	p := newProgress(progressTo)
	defer p.end()
	day, err := begin(ctx, rb, f.folder, f.seed, true, p.hear, p.say)
	if err != nil {
		return err
	}
	if note != "" {
		day.Remark(note)
	}
	playErr := day.Play(ctx)
	p.end()
	if err := report(day, f.format, out, messages); err != nil {
		return &exit{inconclusive, err}
	}
	if playErr != nil {
		return &exit{inconclusive, playErr}
	}
	if code := outcome(ctx, day.Result()); code != 0 {
		return &exit{code, nil}
	}
	return nil
}

// unasked refuses to break anything outside rehearsals where nobody is there to be asked.
func unasked(rb *runbook.Runbook, f runFlags, in io.Reader) error {
	terminal, ok := in.(*os.File)
	if f.yes || ok && term.IsTerminal(terminal.Fd()) || !guarded(rb) {
		return nil
	}
	return &exit{badUse, fmt.Errorf("the runbook is for %s, and nobody is here to be asked: say --yes if it is meant", rb.Environment)}
}

// guardTarget holds a runbook to everything that its environment asks for, at the target as its platform knows it.
func guardTarget(ctx context.Context, rb *runbook.Runbook, l leave, in io.Reader, out io.Writer) (note string, err error) {
	if !guarded(rb) {
		return "", nil
	}
	at := place{Target: engine.TargetOf(rb)}
	if rb.Target.Platform == "aws" {
		p, err := aws.Open(ctx, at.Target)
		if err != nil {
			return "", &exit{inconclusive, err}
		}
		at.Target = p.Target()
		if at.alias, err = p.Alias(ctx); err != nil {
			return "", &exit{inconclusive, err}
		}
	}
	if note, err = guard(rb, at, l, time.Now(), in, out); err != nil {
		return "", &exit{badUse, err}
	}
	return note, nil
}

// confirm asks before anything is broken: always outside rehearsals, and wherever somebody is there to ask.
// What destroys data for good is asked about twice.
func confirm(rb *runbook.Runbook, f runFlags, in io.Reader, out io.Writer) error {
	terminal, ok := in.(*os.File)
	asked := ok && term.IsTerminal(terminal.Fd())
	answers := bufio.NewReader(in)
	if lost := losses(rb); lost != "" && !f.loseData {
		if !asked {
			return &exit{badUse, fmt.Errorf("%s destroys data, and nothing brings it back: say --lose-data if it is meant", lost)}
		}
		fmt.Fprintf(out, "%s destroys data, and nothing brings it back. Type the target's name (%s) if it is meant: ", lost, rb.Target.Project)
		if line, _ := answers.ReadString('\n'); strings.TrimSpace(line) != rb.Target.Project {
			return &exit{aborted, errors.New("nothing was broken")}
		}
	}
	if f.yes {
		return nil
	}
	if !asked {
		return nil
	}
	for _, e := range rb.Experiments {
		for _, fault := range e.Inject {
			fmt.Fprintf(out, "%s: %s, for %s\n", journal.Plain(e.Name), fault.Kind, fault.For)
		}
	}
	fmt.Fprintf(out, "Break %s/%s (%s)? Type yes: ", rb.Target.Platform, rb.Target.Project, rb.Environment)
	line, _ := answers.ReadString('\n')
	if strings.TrimSpace(line) != "yes" {
		return &exit{aborted, errors.New("nothing was broken")}
	}
	return nil
}

// losses names a fault that destroys data, or nothing.
func losses(rb *runbook.Runbook) string {
	for _, e := range rb.Experiments {
		for _, f := range e.Inject {
			if runbook.LosesData(f.Kind) {
				return f.Kind
			}
		}
	}
	return ""
}

// outcome gives the exit code of a game day.
func outcome(ctx context.Context, r journal.Result) int {
	seen := map[journal.Verdict]bool{}
	for _, e := range r.Experiments {
		seen[e.Verdict] = true
	}
	switch {
	case seen[journal.Aborted] || ctx.Err() != nil:
		return aborted
	case seen[journal.Refuted]:
		return refuted
	case seen[journal.Inconclusive] || len(r.Experiments) == 0:
		return inconclusive
	default:
		return 0
	}
}

// report prints what came of a game day.
func report(day *gameDay, format string, out, messages io.Writer) error {
	switch format {
	case "json":
		data, err := day.Result().JSON()
		if err == nil {
			_, err = out.Write(data)
		}
		return err
	case "junit":
		data, err := junit(day.Result())
		if err == nil {
			_, err = out.Write(data)
		}
		return err
	}
	summary(out, day.Session)
	fmt.Fprintf(out, "\nThe journal: %s\n", shown(day.folder, "journal.md"))
	return nil
}

// summary tells a game day in words, with its runs side by side where there are several.
func summary(out io.Writer, s *engine.Session) {
	story, rows := s.Story()
	fmt.Fprintln(out)
	for _, paragraph := range story {
		fmt.Fprintln(out, wrap(journal.Plain(paragraph), 100))
	}
	if len(rows) == 0 || len(rows[0].Values) < 2 {
		return
	}
	fmt.Fprintln(out)
	printRows(out, rows)
}
