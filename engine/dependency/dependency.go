// Package dependency breaks databases and caches from inside, over their own protocols, and settles them again. Whatever
// it opens or writes bears the lease's name, so that another process finds it; and whatever lasts also ends by itself, on
// the server, should everybody who knows of it be gone.
package dependency

import (
	"context"
	"fmt"
	"time"

	"gameday/engine/platform"
)

// What a Settle step says is to be done.
const (
	Do = "do"

	EndSessions = "end-sessions" // end every session that bears the lease's name
	WriteAgain  = "write-again"  // restore default_transaction_read_only as Was says
	Unpause     = "unpause"
	Unfill      = "unfill"

	Was = "was"
)

// selfEnd is how long after its time something ends by itself.
const selfEnd = 3 * time.Second

// connectLimit bounds getting through to a server.
const connectLimit = 3 * time.Second

// Settle carries out a step that puts a database or cache back; doing so again is harmless.
func Settle(ctx context.Context, stores platform.Stores, s platform.Step) (evidence string, err error) {
	url, err := stores.Connection(ctx, s.Unit)
	if err != nil {
		return "", err
	}
	switch s.With[Do] {
	case EndSessions:
		return endSessions(ctx, url, s.Lease)
	case WriteAgain:
		return writeAgain(ctx, url, s.With[Was])
	case Unpause:
		return unpause(ctx, url)
	case Unfill:
		return unfill(ctx, url, s.Lease)
	default:
		return "", fmt.Errorf("nothing is known of the step %q", s.With[Do])
	}
}

// Manual gives the plain command that does the same by hand. CONNECTION stands for what the person knows.
func Manual(s platform.Step) string {
	switch s.With[Do] {
	case EndSessions:
		return fmt.Sprintf(`psql CONNECTION -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '%s'"    # %s`, session(s.Lease), s.Unit)
	case WriteAgain:
		value := "RESET default_transaction_read_only"
		if s.With[Was] != "" {
			value = "SET default_transaction_read_only = " + s.With[Was]
		}
		return fmt.Sprintf(`psql CONNECTION -c "ALTER SYSTEM %s" -c "SELECT pg_reload_conf()"    # %s`, value, s.Unit)
	case Unpause:
		return "redis-cli -h HOST -p PORT CLIENT UNPAUSE    # " + s.Unit
	default:
		return fmt.Sprintf("redis-cli -h HOST -p PORT --scan --pattern '%s*' | xargs redis-cli -h HOST -p PORT UNLINK    # %s", filler(s.Lease), s.Unit)
	}
}
