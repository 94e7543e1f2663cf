package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"gameday/engine/platform/compose"
	"gameday/engine/platform/local"
)

func doctorCommand() *cobra.Command {
	var install bool
	c := &cobra.Command{Use: "doctor", Short: "Say what is here, what is missing, and the command that mends it", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		return doctor(c.Context(), c.OutOrStdout(), install)
	}}
	c.Flags().BoolVar(&install, "install", false, "install what is missing (Debian and Ubuntu)")
	return c
}

// finding is one line of what the doctor says.
type finding struct {
	what, here string
	mend       string // what is wrong and what to do, where something is
}

func (f finding) print(w io.Writer) {
	if f.mend != "" {
		fmt.Fprintf(w, "missing  %-12s  %s\n", f.what, clean(f.mend))
		return
	}
	fmt.Fprintf(w, "ok       %-12s  %s\n", f.what, clean(f.here))
}

func doctor(ctx context.Context, w io.Writer, install bool) error {
	servers, err := local.FindServers()
	if missing := missingParts(err); len(missing) > 0 && install {
		if err := installParts(ctx, w, missing); err != nil {
			return err
		}
		servers, err = local.FindServers()
	}
	homeDir, homeErr := local.Home()
	fmt.Fprintln(w, "The platform local, with plain processes:")
	for _, f := range localFindings(servers, err, homeDir) {
		f.print(w)
	}
	if s, err := local.Open(ctx, defaultProject); err == nil {
		if status, err := s.Status(ctx); err == nil {
			finding{what: "stack", here: fmt.Sprintf("%s (supervisor %d)", status.Phase, status.PID)}.print(w)
		}
	}
	fmt.Fprintln(w, "\nThe platform compose, with Docker:")
	for _, f := range composeFindings(ctx) {
		f.print(w)
	}
	fmt.Fprintln(w, "\nThe platform aws:")
	for _, f := range awsFindings(ctx) {
		f.print(w)
	}
	return errors.Join(err, homeErr)
}

func localFindings(s local.Servers, err error, home string) []finding {
	rows := []finding{{what: "PostgreSQL", here: s.PostgresBin}, {what: "cache", here: s.Cache}, {what: "sentinel", here: s.Sentinel}, {what: "orchestrator", here: s.Orchestrator}, {what: "state folder", here: home}}
	for i, f := range rows {
		if f.here != "" {
			continue
		}
		rows[i].mend = "it is not here"
		for _, m := range missingParts(err) {
			if strings.EqualFold(m.What, f.what) || strings.Contains(strings.ToLower(m.What), strings.ToLower(f.what)) {
				rows[i].mend = "install it with: " + local.InstallCommand(m.Package)
			}
		}
	}
	return rows
}

// composeFindings says whether the platform compose is usable, and why not.
func composeFindings(ctx context.Context) []finding {
	docker, err := compose.Connect(ctx)
	if err != nil {
		return []finding{{what: "engine", mend: err.Error()}}
	}
	defer func() { _ = docker.Close() }()
	rows := []finding{{what: "engine", here: engineVersion(ctx, docker)}}
	command, err := compose.Command(ctx)
	if err != nil {
		rows = append(rows, finding{what: "compose", mend: err.Error() + "; without it other people's projects can be broken, but the bundled stack cannot be brought up"})
	} else {
		rows = append(rows, finding{what: "compose", here: strings.Join(command, " ")})
	}
	if err := compose.EnsureImage(ctx, docker, compose.SidecarImage(), "sidecar"); err != nil {
		rows = append(rows, finding{what: "sidecar", mend: err.Error()})
	} else if lacks := compose.Kernel(ctx, docker); lacks != nil {
		rows = append(rows, finding{what: "sidecar", mend: lacks.Error() + "; faults of a network cannot be injected"})
	} else {
		rows = append(rows, finding{what: "sidecar", here: compose.SidecarImage() + ", and the kernel takes its rules"})
	}
	if projects, err := compose.Projects(ctx, docker); err == nil && len(projects) > 0 {
		rows = append(rows, finding{what: "projects", here: strings.Join(projects, ", ")})
	}
	return rows
}

func engineVersion(ctx context.Context, docker *client.Client) string {
	v, err := docker.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("Docker Engine %s (API %s)", v.Version, docker.ClientVersion())
}

func missingParts(err error) []*local.Missing {
	var all []*local.Missing
	list := []error{err}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		list = many.Unwrap()
	}
	for _, one := range list {
		var m *local.Missing
		if errors.As(one, &m) && !slices.ContainsFunc(all, func(o *local.Missing) bool { return o.Package == m.Package }) {
			all = append(all, m)
		}
	}
	return all
}
