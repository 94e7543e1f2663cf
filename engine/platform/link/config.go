package link

import (
	"net/netip"
	"time"
)

// Config is what a sidecar is told when it is made. It travels as JSON in the sidecar's arguments and holds no secret.
type Config struct {
	Lease     string           `json:"lease"`
	Kind      string           `json:"kind"` // of the fault, without "network."
	Toxics    Toxics           `json:"toxics,omitzero"`
	Percent   float64          `json:"percent,omitempty"`   // of packets to lose
	Direction string           `json:"direction,omitempty"` // of a partition: out, in or both
	Names     []string         `json:"names,omitempty"`     // that do not resolve; none: no name does
	To        []netip.AddrPort `json:"to,omitempty"`        // the far ends; port 0 is every port; none: everybody, both ways
	Port      int              `json:"port,omitempty"`      // of the unit's own, where only what comes in on it counts
	Look      []netip.AddrPort `json:"look,omitempty"`      // where a connection shows whether the fault is in effect
	Lasts     time.Duration    `json:"lasts"`               // after which the sidecar ends by itself
}

// Pass is the kind that does nothing but take the path: it shows what that costs.
const Pass = "pass"

// The words that a sidecar is told on its standard input. It answers each with a Report, a JSON object a line; when its
// input ends, it puts everything back and ends.
const (
	Go   = "go"   // take effect
	Look = "look" // show that it is in effect
)

// Limit is what a sidecar says of a control group's limit.
type Limit struct {
	Version int    `json:"version"`          // of control groups
	Limit   string `json:"limit"`            // as the kernel writes it
	Period  string `json:"period,omitempty"` // of processor time, in version 1
}

// Report is a sidecar's answer.
type Report struct {
	Evidence string `json:"evidence,omitempty"`
	Error    string `json:"error,omitempty"`
}
