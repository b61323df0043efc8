package pcscdtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Card is a software card.
type Card interface {
	ATR() []byte
	// Reset is power on or a reset: volatile state is lost.
	Reset()
	// Transmit answers a command with data ‖ SW1 SW2; an error pulls the card out.
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// Controls of the vpcd protocol: one-byte frames.
const (
	ctrlOff   = 0x00
	ctrlOn    = 0x01
	ctrlReset = 0x02
	ctrlATR   = 0x04
)

// Inserted is a card lying on a slot.
type Inserted struct {
	d      *Daemon
	cancel context.CancelFunc
	done   chan struct{}
}

// Insert lays a card on a slot; it stays through restarts of the daemon until Remove, the test's end, or an error of Transmit. pcscd notices within its polling
// interval of 400 ms: await it, do not sleep.
func (d *Daemon) Insert(slot int, c Card) *Inserted {
	ctx, cancel := context.WithCancel(context.Background())
	i := &Inserted{d: d, cancel: cancel, done: make(chan struct{})}
	d.mu.Lock()
	d.inserted[i] = struct{}{}
	d.mu.Unlock()
	go func() {
		defer close(i.done)
		for ctx.Err() == nil {
			conn, err := d.dial(slot)
			if err != nil { // the daemon is down or has no reader now
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond):
				}
				continue
			}
			if torn := serve(ctx, conn, c); torn {
				return
			}
		}
	}()
	return i
}

// Remove takes the card away and returns when nothing of it runs any more. It may be called twice.
func (i *Inserted) Remove() {
	i.cancel()
	<-i.done
	i.d.mu.Lock()
	delete(i.d.inserted, i)
	i.d.mu.Unlock()
}

// serve is the card's side of one connection; torn says that the card itself broke off.
func serve(ctx context.Context, conn *net.TCPConn, c Card) (torn bool) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetNoDelay(true)
	for {
		quickAck(conn)
		f, err := readFrame(conn)
		if err != nil {
			return false
		}
		var answer []byte
		switch {
		case len(f) == 1 && f[0] == ctrlATR:
			answer = c.ATR()
		case len(f) == 1:
			if f[0] == ctrlOn || f[0] == ctrlReset {
				c.Reset()
			}
			continue
		default:
			if answer, err = c.Transmit(ctx, f); err != nil {
				return ctx.Err() == nil
			}
		}
		if err := writeFrame(conn, answer); err != nil {
			return false
		}
	}
}

// quickAck spares 40 ms a command: vpcd writes length and body apart and its Nagle waits for our acknowledgement. The kernel forgets the option, so it is set each time.
func quickAck(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
}

func readFrame(r io.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	if len(b) == 0 {
		return nil, errors.New("pcscdtest: empty frame")
	}
	_, err := io.ReadFull(r, b)
	return b, err
}

func writeFrame(w io.Writer, b []byte) error {
	if len(b) > 0xFFFF {
		return errors.New("pcscdtest: frame too long")
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(b)), uint16(len(b))), b...))
	return err
}
