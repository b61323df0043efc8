//go:build unix

package cardsim

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the file for this program; the kernel gives it back when the program ends, however it ends.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closeErr := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, errors.Join(err, closeErr)
	}
	return f.Close, nil
}
