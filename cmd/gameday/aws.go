package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gameday/engine"
	"gameday/engine/platform/aws"
	"gameday/runbook"
)

func awsCommand() *cobra.Command {
	c := &cobra.Command{Use: "aws", Short: "What a runbook for AWS is about, and what it needs", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(awsUnitsCommand(), awsPolicyCommand())
	return c
}

// onAWS reads a runbook whose target is on AWS.
func onAWS(name string) (*runbook.Runbook, error) {
	rb, err := findRunbook(name)
	if err == nil && rb.Target.Platform != "aws" {
		err = &exit{badUse, fmt.Errorf("%s is for the platform %s", name, rb.Target.Platform)}
	}
	return rb, err
}

func awsUnitsCommand() *cobra.Command {
	var format string
	c := &cobra.Command{Use: "units RUNBOOK", Short: "List the units of a runbook's target, and which may be touched", Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		rb, err := onAWS(args[0])
		if err != nil {
			return err
		}
		whole := engine.TargetOf(rb)
		whole.Services = rb.Target.Services
		p, err := aws.Open(c.Context(), whole)
		if err != nil {
			return err
		}
		units, err := p.Units(c.Context())
		if err != nil {
			return err
		}
		for _, missing := range p.Unlisted() {
			fmt.Fprintln(c.ErrOrStderr(), "not listed:", clean(missing.Error()))
		}
		if format == "json" {
			return printUnits(c.OutOrStdout(), units, format)
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "UNIT\tSERVICE\tRUNS ON\tZONE\tSTATE\tFOR\tMAY BE TOUCHED")
		for _, u := range units {
			may := "yes"
			if u.Skipped() {
				may = "no: it " + u.Closed
				if u.Closed == "" {
					may = "no: it asks to be left alone"
				}
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", clean(u.Name), clean(u.Service), clean(u.Host), clean(u.Zone), clean(inWords(u)), lasted(u), clean(may))
		}
		return t.Flush()
	}}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}

func awsPolicyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "policy RUNBOOK", Short: "Print the least that an IAM identity has to be allowed for a runbook", Args: exactly(1),
		Long: "Print the least that an IAM identity has to be allowed for a runbook, as an IAM policy. AWS is not asked: say account and region in the runbook's target to have them in it.",
		RunE: func(c *cobra.Command, args []string) error {
			rb, err := onAWS(args[0])
			if err != nil {
				return err
			}
			policy, err := aws.Policy(engine.TargetOf(rb), uses(rb))
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), string(policy))
			return nil
		},
	}
}

// uses lists what a runbook does.
func uses(rb *runbook.Runbook) []aws.Use {
	var all []aws.Use
	for _, p := range rb.SteadyState {
		all = append(all, aws.Use{Kind: "probe." + p.Probe.Kind})
	}
	for _, e := range rb.Experiments {
		for _, g := range e.Guards {
			if g.Alarm != "" {
				all = append(all, aws.Use{Kind: "alarm"})
			}
		}
		for _, f := range e.Inject {
			all = append(all, aws.Use{Kind: f.Kind, Names: usedNames(f)})
		}
	}
	return all
}

// usedNames are the resources that a fault names.
func usedNames(f runbook.Fault) []string {
	switch p := f.Params.(type) {
	case *runbook.DeregisterParams:
		return []string{p.Group}
	case *runbook.SSMParams:
		return []string{p.Document, p.Revert}
	case *runbook.FISParams:
		if p.Role == "" {
			return nil
		}
		return []string{p.Role}
	}
	if f.Select.Service != "" {
		return []string{f.Select.Service}
	}
	return []string{"*"}
}

// configured reports whether anything here is set up for AWS; without it the SDK would look for the credentials of an
// instance, which takes its time.
func configured() bool {
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return false
	}
	for _, name := range []string{"config", "credentials"} {
		if _, err := os.Stat(filepath.Join(home, ".aws", name)); err == nil {
			return true
		}
	}
	return false
}

const awsDoctorLimit = 5 * time.Second

// awsFindings says whose credentials are here, and for which account.
func awsFindings(ctx context.Context) []finding {
	if !configured() {
		return []finding{{what: "credentials", mend: "nothing is set up: aws configure sso, or AWS_PROFILE; an endpoint other than AWS's is named by AWS_ENDPOINT_URL"}}
	}
	ctx, cancel := context.WithTimeout(ctx, awsDoctorLimit)
	defer cancel()
	p, err := aws.Open(ctx, engine.TargetOf(&runbook.Runbook{Target: runbook.Target{Platform: "aws"}}))
	if err != nil {
		return []finding{{what: "credentials", mend: err.Error()}}
	}
	where := p.Target()
	rows := []finding{{what: "credentials", here: fmt.Sprintf("%s, account %s, region %s", p.Caller(), where.Account, where.Region)}}
	c, path, _, err := readConfig()
	if err == nil {
		err = c.allows(place{Target: where}, path)
	}
	if err != nil {
		return append(rows, finding{what: "allowed", mend: err.Error() + "; outside rehearsals nothing runs there"})
	}
	return append(rows, finding{what: "allowed", here: "outside rehearsals too (" + path + ")"})
}
