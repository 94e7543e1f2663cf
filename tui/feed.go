package tui

import (
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"gameday/journal"
)

// redrawEvery is how often events are drawn at the most; keys are answered at once.
const redrawEvery = 500 * time.Millisecond

// Feed carries a session's events to the screen without ever holding the session up.
type Feed struct {
	mu     sync.Mutex
	events []journal.Event
	bell   chan struct{}
}

// NewFeed makes an empty feed.
func NewFeed() *Feed { return &Feed{bell: make(chan struct{}, 1)} }

// Hear takes an event; it is what a session tells.
func (f *Feed) Hear(e journal.Event) {
	f.mu.Lock()
	f.events = append(f.events, e)
	f.mu.Unlock()
	select {
	case f.bell <- struct{}{}:
	default:
	}
}

// heard is what came since the last time.
type heard []journal.Event

// next waits for events, and a moment longer so that many are drawn at once.
func (f *Feed) next() tea.Msg {
	<-f.bell
	time.Sleep(redrawEvery)
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return heard(events)
}
