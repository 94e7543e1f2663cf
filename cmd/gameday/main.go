// Command gameday is an interactive console for chaos-engineering game days.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of `gameday run`; other commands use 0, 1 and badUse.
const (
	refuted      = 1
	badUse       = 2
	aborted      = 3
	inconclusive = 4
)

// exit is an error with the exit code that it stands for.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exit) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		for line := range strings.Lines(text) { // it may quote what a target says
			fmt.Fprintln(os.Stderr, clean(strings.TrimSuffix(line, "\n")))
		}
	}
	var e *exit
	if errors.As(err, &e) {
		return e.code
	}
	return 1
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "gameday",
		Short:         "Learn how your system fails: game days in a terminal",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          home,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exit{badUse, fmt.Errorf("%w (see: %s --help)", err, c.CommandPath())}
	})
	root.AddCommand(
		upCommand(), downCommand(), psCommand(), logsCommand(), superviseCommand(), doctorCommand(),
		runCommand(), rehearseCommand(), validateCommand(), schemaCommand(), libraryCommand(), importCommand(), awsCommand(), journalCommand(),
		recoverCommand(), keeperCommand(),
	)
	return root
}

// exactly refuses any other number of arguments, as a mistake of use.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(c, args); err != nil {
			return &exit{badUse, fmt.Errorf("%w (use: %s)", err, c.UseLine())}
		}
		return nil
	}
}
