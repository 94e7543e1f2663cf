package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gameday/engine/platform/aws/awstest"
)

// clouds are the stories' own endpoints that answer as AWS does; stories run side by side.
type clouds struct {
	mu  sync.Mutex
	all map[*testscript.TestScript]*awstest.Cloud
}

func (c *clouds) add(ts *testscript.TestScript, one *awstest.Cloud) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[ts] = one
}

func (c *clouds) of(ts *testscript.TestScript) *awstest.Cloud {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[ts]
}

// command: cloud shop starts one with a shop in it; cloud alarm NAME STATE; cloud whole fails unless everything is as it was in
// the beginning, and cloud becomes-whole waits for it; cloud calls NAME fails unless there was such a request.
func (all *clouds) command(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if args[0] == "shop" {
			c := awstest.Shop()
			t.Cleanup(c.Close)
			all.add(ts, c)
			for name, value := range c.Env() {
				ts.Setenv(name, value)
			}
			return
		}
		c := all.of(ts)
		switch args[0] {
		case "alarm":
			c.Do(func(c *awstest.Cloud) { c.SetAlarm(args[1], args[2]) })
		case "stop-experiment":
			c.Do(func(c *awstest.Cloud) { c.StopByAlarm() })
		case "calls":
			if n := len(c.Calls(args[1])); (n > 0) == neg {
				ts.Fatalf("%d requests %s", n, args[1])
			}
		case "account":
			c.Do(func(c *awstest.Cloud) { c.Account = args[1] })
		case "whole":
			if wrong := c.Amiss(); (len(wrong) == 0) == neg {
				ts.Fatalf("left behind: %s", strings.Join(wrong, ", "))
			}
		case "becomes-whole":
			for begun := time.Now(); len(c.Amiss()) > 0; time.Sleep(50 * time.Millisecond) {
				if time.Since(begun) > 30*time.Second {
					ts.Fatalf("left behind: %s", strings.Join(c.Amiss(), ", "))
				}
			}
		default:
			ts.Fatalf("cloud %s is nothing", args[0])
		}
	}
}
