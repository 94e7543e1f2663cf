// Package flock takes locks on files, one holder a file; the kernel lets a lock go when its holder ends, however it ends.
package flock

import (
	"os"
	"syscall"
)

// Take takes a file's lock for as long as the file that it gives stays open. It fails at once where somebody has it.
func Take(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
