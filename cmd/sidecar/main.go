// Command sidecar is what the console puts beside a container: into its network namespace, to take the path of its
// connections, or onto its volumes and its control group. It is one static program in an image of its own, it knows
// nothing of the console, and it ends, and puts back what it did, when its input ends, when it is told to, or when its
// time is over.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

var verbs = map[string]func(ctx context.Context, args []string) error{
	"link":   linkVerb,
	"clean":  cleanVerb,
	"cgroup": cgroupVerb,
	"io":     ioVerb,
	"fill":   fillVerb,
	"unfill": unfillVerb,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "sidecar: this program is run by gameday")
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "sidecar:", err)
		os.Exit(1)
	}
}
