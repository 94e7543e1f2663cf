package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gameday/journal"
	"gameday/runbook"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{Use: "validate RUNBOOK…", Short: "Check runbooks: every mistake with its place", Args: func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return &exit{badUse, errors.New("name at least one runbook (use: " + c.UseLine() + ")")}
		}
		return nil
	}, RunE: func(c *cobra.Command, args []string) error {
		var wrong []error
		for _, path := range args {
			rb, err := findRunbook(path)
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: valid (%d probes, %d experiments)\n", path, len(rb.SteadyState), len(rb.Experiments))
		}
		if len(wrong) > 0 {
			return &exit{badUse, errors.Join(wrong...)}
		}
		return nil
	}}
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{Use: "schema", Short: "Print the language as JSON Schema, for editors", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		_, err := c.OutOrStdout().Write(runbook.Schema())
		return err
	}}
}

func importCommand() *cobra.Command {
	return &cobra.Command{Use: "import FILE", Short: "Carry a Chaos Toolkit experiment over into a runbook", Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		data, err := readSome(args[0])
		if err != nil {
			return &exit{badUse, fmt.Errorf("the experiment cannot be read: %w", err)}
		}
		text, left, err := runbook.Import(data)
		for _, sentence := range left {
			fmt.Fprintln(c.ErrOrStderr(), "not carried over:", journal.Plain(sentence))
		}
		if err != nil {
			return &exit{badUse, fmt.Errorf("%s: %w", args[0], err)}
		}
		_, err = c.OutOrStdout().Write(text)
		return err
	}}
}

// readSome reads a file, but no more of it than any experiment has.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, 2<<20))
}

func libraryCommand() *cobra.Command {
	library := &cobra.Command{Use: "library", Short: "List the ready runbooks, or show one", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		for _, name := range runbook.Library() {
			rb, err := runbook.FromLibrary(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%-24s %s\n", name, rb.Title)
		}
		return nil
	}}
	library.AddCommand(&cobra.Command{Use: "show NAME", Short: "Print a ready runbook", Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		rb, err := runbook.FromLibrary(args[0])
		if err != nil {
			return &exit{badUse, err}
		}
		_, err = c.OutOrStdout().Write(rb.Source)
		return err
	}})
	return library
}
