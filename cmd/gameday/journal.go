package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gameday/journal"
)

func journalCommand() *cobra.Command {
	c := &cobra.Command{Use: "journal", Short: "Past game days: list, show, export, verify, compare"}
	c.AddCommand(journalList(), journalShow(), journalExport(), journalVerify(), journalCompare())
	return c
}

func journalList() *cobra.Command {
	var folder string
	c := &cobra.Command{Use: "ls", Short: "List game days", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		days, err := pastDays(folder)
		if err != nil {
			return err
		}
		if len(days) == 0 {
			fmt.Fprintf(c.OutOrStdout(), "There is no game day in %s yet. Begin one with: gameday rehearse\n", folder)
			return nil
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, d := range days {
			fmt.Fprintf(t, "%s\t%s\t%s\n", d.folder, d.verdicts(), clean(d.record.Opened.Title))
		}
		return t.Flush()
	}}
	c.Flags().StringVar(&folder, "in", "gamedays", "folder to look in")
	return c
}

// pastDay is a game day of before.
type pastDay struct {
	folder string
	record *journal.Record
	err    error
}

func (d pastDay) verdicts() string {
	if d.err != nil {
		return "damaged"
	}
	text := ""
	for _, run := range d.record.Runs {
		if text != "" {
			text += ", "
		}
		if run.Verdict == nil {
			text += "unfinished"
		} else {
			text += string(run.Verdict.Verdict)
		}
	}
	if text == "" {
		return "no runs"
	}
	return text
}

// pastDays reads every game day of a folder, the newest last.
func pastDays(folder string) ([]pastDay, error) {
	logs, err := filepath.Glob(filepath.Join(folder, "*", journal.LogName))
	var days []pastDay
	for _, path := range logs {
		dir := filepath.Dir(path)
		r, _, err := journal.ReadRecord(dir)
		days = append(days, pastDay{dir, r, err})
	}
	return days, err
}

// readDay reads a game day's folder for a command.
func readDay(dir string, messages io.Writer) (*journal.Record, error) {
	r, torn, err := journal.ReadRecord(dir)
	var damage *journal.Damage
	if errors.As(err, &damage) {
		return nil, fmt.Errorf("%w; gameday journal verify says more", err)
	}
	if err != nil {
		return nil, &exit{badUse, fmt.Errorf("there is no journal to read: %w", err)}
	}
	if torn > 0 {
		fmt.Fprintf(messages, "The last %d bytes of the log are an unfinished line, and are left out.\n", torn)
	}
	return r, nil
}

func journalShow() *cobra.Command {
	return &cobra.Command{Use: "show DIR", Short: "Print a game day's journal", Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		r, err := readDay(args[0], c.ErrOrStderr())
		if err != nil {
			return err
		}
		_, err = c.OutOrStdout().Write(journal.Markdown(r))
		return err
	}}
}

func journalExport() *cobra.Command {
	var format, out string
	c := &cobra.Command{Use: "export DIR", Short: "Render a game day's journal as md, html, json or chaostoolkit", Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		r, err := readDay(args[0], c.ErrOrStderr())
		if err != nil {
			return err
		}
		var data []byte
		switch format {
		case "md":
			data = journal.Markdown(r)
		case "html":
			data, err = journal.HTML(r)
		case "json":
			data, err = journal.Summarize(r).JSON()
		case "chaostoolkit":
			data, err = journal.ChaosToolkit(r)
		default:
			return &exit{badUse, fmt.Errorf("there is no format %q (there are: md, html, json, chaostoolkit)", format)}
		}
		if err != nil {
			return err
		}
		if out == "" {
			_, err = c.OutOrStdout().Write(data)
			return err
		}
		return os.WriteFile(out, data, 0o644)
	}}
	c.Flags().StringVar(&format, "format", "md", "md, html, json or chaostoolkit")
	c.Flags().StringVarP(&out, "output", "o", "", "file to write (default: print)")
	return c
}

func journalVerify() *cobra.Command {
	return &cobra.Command{Use: "verify DIR", Short: "Say whether a game day's log is whole, or where it is not", Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		events, torn, err := journal.Verify(args[0])
		if err != nil {
			return err
		}
		if torn > 0 {
			return fmt.Errorf("%s ends in an unfinished line of %d bytes; the %d events before it are whole", filepath.Join(args[0], journal.LogName), torn, events)
		}
		fmt.Fprintf(c.OutOrStdout(), "%s is whole: %d events, each with its sequence and hash in order.\n", filepath.Join(args[0], journal.LogName), events)
		return nil
	}}
}

func journalCompare() *cobra.Command {
	return &cobra.Command{Use: "compare DIR…", Short: "Put the runs of one or more game days side by side", Args: func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return &exit{badUse, errors.New("name at least one game day's folder (use: " + c.UseLine() + ")")}
		}
		return nil
	}, RunE: func(c *cobra.Command, args []string) error {
		var runs []*journal.Run
		for _, dir := range args {
			r, err := readDay(dir, c.ErrOrStderr())
			if err != nil {
				return err
			}
			runs = append(runs, r.Runs...)
		}
		if len(runs) == 0 {
			return errors.New("there are no runs to compare")
		}
		printRows(c.OutOrStdout(), journal.Compare(runs))
		return nil
	}}
}
