package keeper

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"gameday/engine/crash"
	"gameday/engine/flock"
)

// Console is a console's side: it arms leases, renews them by its heartbeat, and hears when its keeper is lost.
type Console struct {
	dir     string
	argv    []string // the command that becomes a keeper; the folder is added
	session Session
	lost    func(why string)
	held    []*os.File

	mu     sync.Mutex
	conn   net.Conn
	lapsed bool
	closed bool
}

// Hold takes a target for a console, and makes the folder for its leases under base. The error says who has the target
// where somebody does. argv is the command that becomes a keeper.
func Hold(base string, session Session, argv []string) (*Console, error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for leases cannot be made: %w", err)
	}
	target, err := holdTarget(filepath.Join(base, strings.ReplaceAll(session.Target.String(), "/", "-")+".lock"), session)
	if err != nil {
		return nil, err
	}
	c := &Console{dir: filepath.Join(base, strings.ToLower(rand.Text()[:10])), argv: argv, session: session, lost: func(string) {}, held: []*os.File{target}}
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, err
	}
	mine, err := flock.Take(filepath.Join(c.dir, consoleLock))
	if err != nil {
		return nil, err
	}
	c.held = append(c.held, mine)
	data, err := json.Marshal(session)
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(filepath.Join(c.dir, sessionFile), data, 0o600)
}

func holdTarget(path string, session Session) (*os.File, error) {
	f, err := flock.Take(path)
	if err != nil {
		var who Session
		data, _ := os.ReadFile(path)
		if json.Unmarshal(data, &who) != nil {
			return nil, fmt.Errorf("the target %s is held by another console: wait for it, or end it", session.Target)
		}
		return nil, fmt.Errorf("the target %s is held by another console: %s, process %d, journal %s; wait for it, or end it", session.Target, who.By, who.PID, who.Journal)
	}
	data, err := json.Marshal(session)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	return f, err
}

// OnLost sets who is told when the keeper is lost or has taken the leases away.
func (c *Console) OnLost(lost func(why string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = lost
}

// Watch makes sure that a keeper watches this console.
func (c *Console) Watch() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		return nil
	}
	return c.hire()
}

// hire starts a keeper and calls it. It needs mu.
func (c *Console) hire() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "keeper.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(c.argv[0], append(c.argv[1:len(c.argv):len(c.argv)], c.dir)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	_ = os.Remove(filepath.Join(c.dir, socketFile))
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the keeper cannot be started, so nothing is touched: %w", err)
	}
	crash.Keeper(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", filepath.Join(c.dir, socketFile))
		if err == nil {
			c.conn, c.lapsed = conn, false
			go c.beat(conn)
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the keeper does not answer, so nothing is touched: %w (see %s)", err, log.Name())
		}
	}
}

// beat renews the leases until the keeper is lost.
func (c *Console) beat(conn net.Conn) {
	answer := make([]byte, 1)
	for {
		_ = conn.SetDeadline(time.Now().Add(silence))
		_, err := conn.Write([]byte{beat})
		if err == nil {
			_, err = conn.Read(answer)
		}
		c.mu.Lock()
		if c.closed || c.conn != conn {
			c.mu.Unlock()
			return
		}
		if err == nil && answer[0] == lapsed && !c.lapsed {
			c.lapsed = true
			lost := c.lost
			c.mu.Unlock()
			lost("this console was silent for too long; its keeper put everything back")
			continue
		}
		if err != nil {
			_ = conn.Close()
			c.conn = nil
			err := c.hire()
			lost := c.lost
			c.mu.Unlock()
			if err != nil {
				lost("the keeper died and none can be started: " + err.Error())
			} else {
				lost("the keeper died; another one watches now")
			}
			return
		}
		c.mu.Unlock()
		time.Sleep(beatEvery)
	}
}

// Kept reports whether a keeper watches, and has not taken the leases away.
func (c *Console) Kept() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.conn == nil:
		return errors.New("no keeper watches this console")
	case c.lapsed:
		return errors.New("this console was silent for too long and lost its leases")
	}
	return nil
}

// NewLease prepares a lease that lasts until lasts after now.
func NewLease(id string, lasts time.Duration) Lease {
	return Lease{ID: id, Deadline: bootTime() + int64(lasts), Boot: bootID(), State: Armed}
}

// Until gives the lease another deadline: lasts from now.
func (l Lease) Until(lasts time.Duration) Lease {
	l.Deadline, l.Boot = bootTime()+int64(lasts), bootID()
	return l
}

// Arm makes leases durable. Nothing may be touched before it returns nil.
func (c *Console) Arm(leases ...Lease) error {
	if err := c.Kept(); err != nil {
		return err
	}
	return put(c.dir, leases...)
}

// Mark writes down how far a lease has come.
func (c *Console) Mark(l Lease, s State, by, evidence string) error {
	l.State, l.By, l.Evidence = s, by, evidence
	return put(c.dir, l)
}

// Leases lists every lease of this console as it stands on disk, whoever brought it there.
func (c *Console) Leases() ([]Lease, error) { return leases(c.dir) }

// Dir is where the leases are.
func (c *Console) Dir() string { return c.dir }

// Close takes leave. Where something is left behind the keeper is not dismissed: it puts it back.
func (c *Console) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	all, err := leases(c.dir)
	whole := err == nil && len(open(all)) == 0
	if c.conn != nil {
		if whole {
			_, _ = c.conn.Write([]byte{farewell})
		}
		_ = c.conn.Close()
	}
	if whole {
		err = os.RemoveAll(c.dir)
	}
	for _, f := range c.held {
		_ = f.Close()
	}
	return err
}
