package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gameday"
	"gameday/engine"
	"gameday/engine/platform"
	"gameday/engine/platform/aws"
	"gameday/engine/platform/compose"
	"gameday/engine/platform/local"
)

const defaultProject = "orchestrator"

// stackFlags are what the commands about the bundled stack share.
type stackFlags struct{ platform, project, profile string }

func (f *stackFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.platform, "platform", "local", "where the stack runs: local or compose")
	c.Flags().StringVar(&f.project, "project", defaultProject, "name of the stack")
}

func (f *stackFlags) check() error {
	if f.platform != "local" && f.platform != "compose" {
		return &exit{badUse, fmt.Errorf("there is no platform %q here (there are: local, compose)", f.platform)}
	}
	if f.profile != "" && f.profile != "naive" && f.profile != "resilient" {
		return &exit{badUse, fmt.Errorf("there is no profile %q (there are: naive, resilient)", f.profile)}
	}
	return nil
}

// openPlatform finds a platform for the engine and the keeper.
func openPlatform(ctx context.Context, t platform.Target) (platform.Platform, error) {
	project := cmp.Or(t.Project, defaultProject)
	switch t.Platform {
	case "local":
		s, err := local.Open(ctx, project)
		if err != nil {
			return nil, err
		}
		return s, nil
	case "compose":
		p, err := compose.Open(ctx, project)
		if err != nil {
			return nil, err
		}
		return p, nil
	case "aws":
		p, err := aws.Open(ctx, t)
		if err != nil {
			return nil, err
		}
		return p, nil
	default:
		return nil, fmt.Errorf("this build has no driver for platform %q (it has: local, compose, aws)", t.Platform)
	}
}

// composeStack is the bundled stack under Docker Compose.
func composeStack(project, profile string, told func(string)) (compose.Stack, error) {
	home, err := local.Home()
	return compose.Stack{Project: project, Profile: profile, File: gameday.ComposeFile, Folder: filepath.Join(home, "compose", project), Told: told}, err
}

func upCommand() *cobra.Command {
	var f stackFlags
	c := &cobra.Command{Use: "up", Short: "Bring up the bundled stack", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		begun := time.Now()
		s, known, err := bring(c.Context(), f.platform, f.project, f.profile, func(what string) { fmt.Fprintln(c.ErrOrStderr(), "  …", what) })
		if err != nil {
			return err
		}
		env, err := s.Environment(c.Context())
		if err != nil {
			return err
		}
		if known {
			fmt.Fprintln(c.ErrOrStderr(), "The stack was up already.")
		} else {
			fmt.Fprintf(c.ErrOrStderr(), "The stack is up after %.1f s.\n", time.Since(begun).Seconds())
		}
		printEnv(c.OutOrStdout(), env)
		return nil
	}}
	f.add(c)
	c.Flags().StringVar(&f.profile, "profile", "", "settings to put in force: naive or resilient (a new stack is naive)")
	return c
}

// bring makes sure that the stack is up and, where profile names one, that its settings are in force.
func bring(ctx context.Context, where, project, profile string, told func(string)) (s platform.Platform, known bool, err error) {
	if where == "compose" {
		stack, err := composeStack(project, profile, told)
		if err != nil {
			return nil, false, err
		}
		s, known, err = stack.Up(ctx)
		if err != nil {
			return nil, false, err
		}
	} else if s, known, err = bringLocal(ctx, project, profile, told); err != nil {
		return nil, false, err
	}
	if profile == "" {
		return s, known, err
	}
	env, err := s.Environment(ctx)
	if err != nil {
		return nil, false, err
	}
	_, err = engine.NewSettings(env).Apply(ctx, engine.Change{Profile: profile, By: "gameday", Why: "--profile " + profile})
	return s, known, err
}

func bringLocal(ctx context.Context, project, profile string, told func(string)) (platform.Platform, bool, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, false, err
	}
	argv := []string{self, "supervise", "--project", project}
	if profile != "" {
		argv = append(argv, "--profile", profile)
	}
	return local.Bring(ctx, project, argv, told)
}

func superviseCommand() *cobra.Command {
	var f stackFlags
	c := &cobra.Command{Use: "supervise", Hidden: true, Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		return local.Supervise(context.WithoutCancel(c.Context()), gameday.ComposeFile, f.project, f.profile)
	}}
	f.add(c)
	c.Flags().StringVar(&f.profile, "profile", "naive", "")
	return c
}

func downCommand() *cobra.Command {
	var f stackFlags
	var volumes bool
	c := &cobra.Command{Use: "down", Short: "Take the bundled stack down; its data stays", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
		defer cancel()
		if f.platform == "compose" {
			stack, err := composeStack(f.project, "", func(string) {})
			if err != nil {
				return err
			}
			return stack.Down(ctx, volumes)
		}
		return local.Down(ctx, f.project, volumes)
	}}
	f.add(c)
	c.Flags().BoolVar(&volumes, "volumes", false, "remove the data too")
	return c
}

func psCommand() *cobra.Command {
	var f stackFlags
	var format string
	var env bool
	c := &cobra.Command{Use: "ps", Short: "List the bundled stack's units", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if format != "text" && format != "json" {
			return &exit{badUse, fmt.Errorf("there is no format %q (there are: text, json)", format)}
		}
		s, err := openPlatform(c.Context(), platform.Target{Platform: f.platform, Project: f.project})
		if errors.Is(err, platform.ErrNotUp) && !env {
			if format == "json" {
				fmt.Fprintln(c.OutOrStdout(), "[]")
				return nil
			}
			fmt.Fprintf(c.OutOrStdout(), "Nothing is up. Bring the stack up with: gameday up --platform %s\n", f.platform)
			return nil
		}
		if err != nil {
			return err
		}
		if env {
			vars, err := s.Environment(c.Context())
			if err == nil {
				printEnv(c.OutOrStdout(), vars)
			}
			return err
		}
		units, err := s.Units(c.Context())
		if err != nil {
			return err
		}
		return printUnits(c.OutOrStdout(), units, format)
	}}
	f.add(c)
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().BoolVar(&env, "env", false, "print the variables that runbooks may use instead")
	return c
}

func printEnv(w io.Writer, env map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(w, "%s=%s\n", name, env[name])
	}
}

func printUnits(w io.Writer, units []platform.Unit, format string) error {
	if format == "json" {
		type row struct {
			Unit     string         `json:"unit"`
			Service  string         `json:"service"`
			Instance string         `json:"instance"`
			State    platform.State `json:"state"`
			PID      any            `json:"pid"` // or the container's id
			Addr     string         `json:"addr"`
			Since    time.Time      `json:"since"`
		}
		rows := make([]row, len(units))
		for i, u := range units {
			rows[i] = row{u.Name, u.Service, u.Instance, u.State, incarnation(u), u.Addr, u.Since}
		}
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(rows)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "UNIT\tSERVICE\tINSTANCE\tSTATE\tPID\tADDRESS\tFOR")
	for _, u := range units {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\t%s\t%s\n", clean(u.Name), clean(u.Service), clean(u.Instance), clean(inWords(u)), incarnation(u), u.Addr, lasted(u))
	}
	return t.Flush()
}

// inWords is a unit's state, with what its platform's own check says of it.
func inWords(u platform.Unit) string {
	if u.Health == "" {
		return string(u.State)
	}
	return string(u.State) + ", " + u.Health
}

// lasted is for how long a unit has been in its state, where its platform says.
func lasted(u platform.Unit) string {
	if u.Since.IsZero() {
		return "–"
	}
	return time.Since(u.Since).Round(time.Second).String()
}

// incarnation is a process's number, or a container's id.
func incarnation(u platform.Unit) any {
	if u.PID == 0 && u.ID != "" {
		return u.ID
	}
	return u.PID
}

func logsCommand() *cobra.Command {
	var f stackFlags
	var tail int
	var follow bool
	c := &cobra.Command{Use: "logs UNIT", Short: "Show what a unit wrote", Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		s, err := openPlatform(c.Context(), platform.Target{Platform: f.platform, Project: f.project})
		if err != nil {
			return err
		}
		lines, err := s.(platform.Logger).Logs(c.Context(), args[0], tail, follow)
		if err != nil {
			return err
		}
		for line := range lines {
			fmt.Fprintln(c.OutOrStdout(), clean(line))
		}
		return nil
	}}
	f.add(c)
	c.Flags().IntVarP(&tail, "tail", "n", 100, "lines to begin with")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new lines")
	return c
}
