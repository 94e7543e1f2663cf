//go:build !crash

// Package crash marks the step boundaries at which a process may die: around everything that is written or touched. In
// the program that people get it does nothing. Built with the tag `crash`, it kills the process, its keeper or both at the
// boundary that the environment names, so that every one of them can be tried.
package crash

// Point is a step boundary.
func Point(string) {}

// Keeper names the process that watches this one.
func Keeper(int) {}
