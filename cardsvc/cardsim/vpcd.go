package cardsim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Controls of vpcd's protocol: payloads of one byte.
const (
	vpcdOff   = 0x00
	vpcdOn    = 0x01
	vpcdReset = 0x02
	vpcdATR   = 0x04
)

// Chip is what ServeVPCD puts on a virtual reader. Card is one; a test may wrap it.
type Chip interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
	ATR() []byte
	Reset()
	Gone() <-chan struct{}
}

// ServeVPCD lays the chip on the virtual reader of a pcscd with vpcd listening at addr (host:port; 35963 is the first slot, 35964 the second). It returns nil
// when ctx ends or the card is gone, which pcscd sees as the card's removal, and an error when vpcd cannot be reached or hangs up.
func ServeVPCD(ctx context.Context, addr string, chip Chip) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("cardsim: no vpcd at %s (is pcscd running?): %w", addr, err)
	}
	done := make(chan struct{})
	defer close(done)
	go func() { // closing the connection ends the loop below
		select {
		case <-ctx.Done():
		case <-chip.Gone():
		case <-done:
		}
		conn.Close()
	}()
	tcp, _ := conn.(*net.TCPConn)
	if tcp != nil {
		if err := tcp.SetNoDelay(true); err != nil {
			return err
		}
	}
	err = serve(ctx, conn, tcp, chip)
	select {
	case <-chip.Gone():
		return nil
	default:
	}
	if ctx.Err() != nil || errors.Is(err, ErrGone) {
		return nil
	}
	return fmt.Errorf("cardsim: vpcd: %w", err)
}

func serve(ctx context.Context, conn io.ReadWriter, tcp *net.TCPConn, chip Chip) error {
	buf := make([]byte, 2+0xFFFF)
	for {
		if err := readFull(conn, buf[:2], tcp); err != nil {
			return err
		}
		msg := buf[2 : 2+int(binary.BigEndian.Uint16(buf))]
		if err := readFull(conn, msg, tcp); err != nil {
			return err
		}
		var answer []byte
		switch {
		case len(msg) == 0:
			continue
		case len(msg) == 1:
			switch msg[0] {
			case vpcdOff, vpcdOn, vpcdReset:
				chip.Reset()
				continue
			case vpcdATR:
				answer = chip.ATR()
			default:
				continue
			}
		default:
			var err error
			if answer, err = chip.Transmit(ctx, msg); err != nil {
				return err
			}
		}
		frame := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer)))
		if _, err := conn.Write(append(frame, answer...)); err != nil {
			return err
		}
	}
}

// readFull acknowledges at once: vpcd writes length and body apart, and its kernel holds the body back until the length is acknowledged (40 ms a command).
func readFull(r io.Reader, b []byte, tcp *net.TCPConn) error {
	_, err := io.ReadFull(r, b)
	if err == nil && tcp != nil {
		quickAck(tcp)
	}
	return err
}
