package link

import (
	"io"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"gameday/engine/platform"
)

// Toxics are what is done to the bytes of a connection. The zero value does nothing.
type Toxics struct {
	Latency   time.Duration `json:"latency,omitempty"` // added to each round trip
	Jitter    time.Duration `json:"jitter,omitempty"`  // by which that varies, either way
	Rate      int64         `json:"rate,omitempty"`    // bytes a second, each way
	SlowClose time.Duration `json:"slow_close,omitempty"`
	Reset     bool          `json:"reset,omitempty"`    // connections end at once with a reset
	DropOut   bool          `json:"drop_out,omitempty"` // nothing of what the client sends arrives
	DropIn    bool          `json:"drop_in,omitempty"`  // nothing of what the server sends arrives
}

// Slower gives the toxics of an impairment that lets bytes through, but later; for any other, none.
func Slower(i platform.Impairment) Toxics {
	switch i.Kind {
	case "latency":
		return Toxics{Latency: i.Latency, Jitter: i.Jitter}
	case "bandwidth":
		return Toxics{Rate: i.Rate}
	case "slow_close":
		return Toxics{SlowClose: i.Lasts}
	default:
		return Toxics{}
	}
}

// chains gives the toxics on the way out, from client to server, and on the way in. What makes a round trip slower is put
// on the way in alone.
func (t Toxics) chains() (out, in []*toxics.ToxicWrapper) {
	if t.Latency > 0 || t.Jitter > 0 {
		in = append(in, wrap(&toxics.LatencyToxic{Latency: t.Latency.Milliseconds(), Jitter: t.Jitter.Milliseconds()}))
	}
	if t.Rate > 0 {
		kilobytes := max(t.Rate/1024, 1)
		out = append(out, wrap(&toxics.BandwidthToxic{Rate: kilobytes}))
		in = append(in, wrap(&toxics.BandwidthToxic{Rate: kilobytes}))
	}
	if t.SlowClose > 0 {
		out = append(out, wrap(&toxics.SlowCloseToxic{Delay: t.SlowClose.Milliseconds()}))
		in = append(in, wrap(&toxics.SlowCloseToxic{Delay: t.SlowClose.Milliseconds()}))
	}
	if t.DropOut {
		out = append(out, wrap(&toxics.TimeoutToxic{}))
	}
	if t.DropIn {
		in = append(in, wrap(&toxics.TimeoutToxic{}))
	}
	return out, in
}

func wrap(t toxics.Toxic) *toxics.ToxicWrapper {
	w := &toxics.ToxicWrapper{Toxic: t, Toxicity: 1}
	if b, ok := t.(toxics.BufferedToxic); ok {
		w.BufferSize = b.GetBufferSize()
	}
	return w
}

// flow copies one direction of a connection through a chain of toxics until it ends. Without any, the kernel copies.
func flow(to io.Writer, from io.Reader, chain []*toxics.ToxicWrapper) {
	if len(chain) == 0 {
		_, _ = io.Copy(to, from)
		return
	}
	first := make(chan *stream.StreamChunk, chain[0].BufferSize)
	last := first
	for i, t := range chain {
		buffered := 0
		if i+1 < len(chain) {
			buffered = chain[i+1].BufferSize
		}
		next := make(chan *stream.StreamChunk, buffered)
		go toxics.NewToxicStub(last, next).Run(t)
		last = next
	}
	in := stream.NewChanWriter(first)
	go func() {
		_, _ = io.Copy(in, from)
		_ = in.Close()
	}()
	_, _ = io.Copy(to, stream.NewChanReader(last))
	go func() { // what is still under way must not hold its toxics up
		for range last {
			continue
		}
	}()
}
