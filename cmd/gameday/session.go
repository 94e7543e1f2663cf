package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gameday/engine"
	"gameday/engine/keeper"
	"gameday/engine/platform"
	"gameday/engine/platform/local"
	"gameday/journal"
	"gameday/runbook"
)

// gameDay is a session with the folder that it writes.
type gameDay struct {
	*engine.Session
	folder string
}

// begin makes everything that a session needs: what vanished consoles left is put back first, the target is held, the
// folder is made. told hears what takes its time.
func begin(ctx context.Context, rb *runbook.Runbook, folder string, seed uint64, auto bool, heard func(journal.Event), told func(string)) (*gameDay, error) {
	home, err := local.Home()
	if err != nil {
		return nil, &exit{inconclusive, err}
	}
	leases := filepath.Join(home, "leases")
	if err := recoverAll(ctx, leases, told); err != nil {
		return nil, &exit{inconclusive, err}
	}
	where := engine.TargetOf(rb)
	target, err := openPlatform(ctx, where)
	if err != nil {
		return nil, &exit{inconclusive, err}
	}
	if located, ok := target.(platform.Located); ok {
		where = located.Target()
	}
	env, err := target.Environment(ctx)
	if err != nil {
		return nil, &exit{inconclusive, err}
	}
	if folder == "" {
		folder = freshFolder(rb.Title)
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, &exit{badUse, err}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, &exit{inconclusive, err}
	}
	who := username()
	console, err := keeper.Hold(leases, keeper.Session{
		PID: os.Getpid(), By: who, Target: where, Journal: folder,
	}, []string{self, "keeper"})
	if err != nil {
		return nil, &exit{inconclusive, err}
	}
	log, err := journal.Create(folder)
	if err != nil {
		return nil, &exit{badUse, errors.Join(err, console.Close())}
	}
	if seed == 0 {
		seed = freshSeed()
	}
	session, err := engine.New(ctx, engine.Options{
		Runbook: rb, Platform: target, Target: where, Radius: engine.RadiusOf(rb), Open: openPlatform, Env: env, Leases: console, Log: log, Folder: folder,
		Seed: seed, By: who, Auto: auto, Told: heard,
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "runbook.yaml"), rb.Source, 0o644)
	}
	if err != nil {
		code := inconclusive
		var unfit *engine.Unfit
		if errors.As(err, &unfit) {
			code = badUse
		}
		_, _ = log.Close(), console.Close()
		_ = os.Remove(filepath.Join(folder, journal.LogName))
		_ = os.Remove(folder)
		return nil, &exit{code, err}
	}
	return &gameDay{session, folder}, nil
}

// recoverAll puts back what vanished consoles left behind, and says so.
func recoverAll(ctx context.Context, leases string, told func(string)) error {
	done, err := keeper.Recover(ctx, leases, openPlatform, told)
	for _, l := range done {
		told(leaseLine(l))
		if l.State != keeper.Gone {
			err = errors.Join(err, fmt.Errorf("a fault of a vanished console is still there: %s; gameday recover tries again", leaseLine(l)))
		}
	}
	return err
}

// freshFolder names a folder for a game day that is not there yet.
func freshFolder(title string) string {
	base := filepath.Join("gamedays", time.Now().Format("2006-01-02")+"-"+journal.Slug(title))
	folder := base
	for n := 2; ; n++ {
		if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
			return folder
		}
		folder = fmt.Sprintf("%s-%d", base, n)
	}
}

func freshSeed() uint64 {
	var bytes [8]byte
	_, _ = rand.Read(bytes[:])
	return binary.LittleEndian.Uint64(bytes[:]) % 1_000_000_000
}

func username() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return journal.Plain(u.Username)
	}
	return "somebody"
}

// findRunbook reads a runbook by its path, or one of the library by its name.
func findRunbook(name string) (*runbook.Runbook, error) {
	if _, err := os.Stat(name); err != nil && filepath.Base(name) == name && filepath.Ext(name) == "" {
		rb, err := runbook.FromLibrary(name)
		if err != nil {
			return nil, &exit{badUse, err}
		}
		return rb, nil
	}
	rb, err := runbook.Read(name)
	if err != nil {
		return nil, &exit{badUse, err}
	}
	return rb, nil
}

func keeperCommand() *cobra.Command {
	return &cobra.Command{Use: "keeper DIR", Hidden: true, Args: exactly(1), RunE: func(c *cobra.Command, args []string) error {
		return keeper.Keep(context.WithoutCancel(c.Context()), args[0], openPlatform)
	}}
}

func recoverCommand() *cobra.Command {
	return &cobra.Command{Use: "recover", Short: "Put back whatever a vanished console left behind", Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error {
		home, err := local.Home()
		if err != nil {
			return err
		}
		done, err := keeper.Recover(c.Context(), filepath.Join(home, "leases"), openPlatform, func(what string) { fmt.Fprintln(c.ErrOrStderr(), "  …", what) })
		if err != nil {
			return err
		}
		left := 0
		for _, l := range done {
			fmt.Fprintln(c.OutOrStdout(), leaseLine(l))
			if l.State != keeper.Gone {
				left++
				for _, command := range l.Manual {
					fmt.Fprintln(c.OutOrStdout(), "    by hand:", journal.Plain(command))
				}
			}
		}
		if left > 0 {
			return fmt.Errorf("%d faults are still there", left)
		}
		fmt.Fprintln(c.OutOrStdout(), "Nothing is left behind.")
		return nil
	}}
}

func leaseLine(l keeper.Lease) string {
	if l.State == keeper.Gone {
		return journal.Plain(fmt.Sprintf("%s on %v was put back by %s: %s", l.Fault, l.Units, l.By, l.Evidence))
	}
	return journal.Plain(fmt.Sprintf("%s on %v could NOT be put back: %s", l.Fault, l.Units, l.Evidence))
}
