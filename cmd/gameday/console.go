package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"gameday/runbook"
)

// home opens the console's home.
func home(c *cobra.Command, _ []string) error { return c.Help() }

// guided opens the guided flow on a terminal.
func guided(ctx context.Context, rb *runbook.Runbook, folder string, seed uint64) error {
	return errors.New("no screen yet")
}
