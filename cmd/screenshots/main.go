// Command screenshots plays a rehearsal in the real program, in a real terminal (tmux), and keeps pictures of it for the
// README: SVG always, PNG where rsvg-convert is there.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const session, width, height = "gameday-screenshots", 150, 42

func main() {
	if err := play(); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

// step presses a key once the screen shows a text, and keeps a picture under a name if there is one.
type step struct{ shows, keys, picture string }

var script = []step{
	{"enter begin", "Enter", ""},
	{"The steady state holds", "Enter", ""},
	{"We believe", "Enter", ""},
	{"This is what will be done", "Enter", ""},
	{"y yes", "y", ""},
	{"the hypothesis is REFUTED", "c", ""},
	{"is recorded in the journal", "Enter", ""},
	{"Changed and in force", "Enter", ""},
	{"The steady state holds", "Enter", ""},
	{"We believe", "Enter", ""},
	{"This is what will be done", "Enter", ""},
	{"y yes", "y", ""},
	{"12.0 s of 20.0 s", "", "console"},
	{"the hypothesis is HELD", "q", "learn"},
	{"y yes", "y", ""},
	{"The journal:", "", ""},
}

func play() error {
	bin, err := filepath.Abs("bin/gameday")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gd")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	env := append(os.Environ(), "GAMEDAY_HOME="+dir)
	defer func() {
		down := exec.Command(bin, "down")
		down.Env = env
		_ = down.Run()
		_ = exec.Command("tmux", "kill-session", "-t", session).Run()
	}()
	start := exec.Command("tmux", "new-session", "-d", "-s", session, "-x", fmt.Sprint(width), "-y", fmt.Sprint(height),
		fmt.Sprintf("GAMEDAY_HOME=%s %s rehearse --journal %s/day; sleep 60", dir, bin, dir))
	if out, err := start.CombinedOutput(); err != nil {
		return fmt.Errorf("tmux: %w: %s", err, out)
	}
	for _, s := range script {
		frame, err := await(s.shows)
		if err != nil {
			return err
		}
		if s.picture != "" {
			if err := keep(s.picture, frame); err != nil {
				return err
			}
		}
		if s.keys != "" {
			if err := exec.Command("tmux", "send-keys", "-t", session, s.keys).Run(); err != nil {
				return err
			}
		}
	}
	return nil
}

func await(text string) (frame string, err error) {
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command("tmux", "capture-pane", "-e", "-p", "-t", session).Output()
		if err != nil {
			return "", err
		}
		if frame = string(out); strings.Contains(stripped(frame), text) {
			return frame, nil
		}
	}
	return "", fmt.Errorf("the screen never showed %q:\n%s", text, stripped(frame))
}

func keep(name, frame string) error {
	path := filepath.Join(".github", name+".svg")
	if err := os.WriteFile(path, []byte(picture(frame, width, height)), 0o644); err != nil {
		return err
	}
	fmt.Println(path)
	if _, err := exec.LookPath("rsvg-convert"); err != nil {
		return nil
	}
	png := filepath.Join(".github", name+".png")
	if out, err := exec.Command("rsvg-convert", "-z", "1.3", path, "-o", png).CombinedOutput(); err != nil {
		return fmt.Errorf("rsvg-convert: %w: %s", err, out)
	}
	fmt.Println(png)
	return os.Remove(path)
}
