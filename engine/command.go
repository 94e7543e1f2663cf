package engine

import "time"

// Command is something that a person, or a pipeline, wants to happen.
type Command interface{ command() }

// The commands.
type (
	// Start begins a run of an experiment. Count, if not zero, is its blast radius in units.
	Start struct {
		Experiment string
		Count      int
	}
	// Proceed goes on to the next phase: from the steady state to the hypothesis, and from there to the plan.
	Proceed struct{}
	// Expect gives a probe of the run another expectation, before anything is armed.
	Expect struct{ Probe, Expect string }
	// Believe puts the hypothesis in other words.
	Believe struct{ Text string }
	// Predict says what a person believes will come.
	Predict struct {
		Who   string
		Holds bool
		Back  time.Duration
	}
	// Replan chooses units anew.
	Replan struct{}
	// Confirm lets the plan that was shown be carried out.
	Confirm struct{ By string }
	// Halt stops the run at once and puts everything back.
	Halt struct{ By string }
	// Alter changes settings of the target between runs.
	Alter struct{ Change }
	// Note keeps a remark.
	Note struct{ By, Text string }
	// Act adds an action item.
	Act struct{ What, Owner, Due string }
	// Close ends the game day.
	Close struct{}
)

func (Start) command()   {}
func (Proceed) command() {}
func (Expect) command()  {}
func (Believe) command() {}
func (Predict) command() {}
func (Replan) command()  {}
func (Confirm) command() {}
func (Halt) command()    {}
func (Alter) command()   {}
func (Note) command()    {}
func (Act) command()     {}
func (Close) command()   {}
