package upload

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Scanner asks a ClamAV daemon what it thinks of a file (clamd's INSTREAM). It is safe for concurrent use.
type Scanner struct{ network, address string }

// scanTime bounds one question; scanChunk is how much is sent at once, in bytes; maxVerdict how much is read of the answer.
const (
	scanTime   = time.Minute
	scanChunk  = 64 << 10
	maxVerdict = 1 << 10
)

// NewScanner takes the daemon's socket ("/run/clamav/clamd.ctl") or host:port.
func NewScanner(at string) (*Scanner, error) {
	if strings.HasPrefix(at, "/") {
		return &Scanner{"unix", at}, nil
	}
	if _, _, err := net.SplitHostPort(at); err != nil {
		return nil, fmt.Errorf("%q is neither the path of a socket nor host:port", at)
	}
	return &Scanner{"tcp", at}, nil
}

// Scan gives the name of what was found, "" for nothing. An error is of the line or the daemon: nothing is known of the file then.
func (s *Scanner) Scan(ctx context.Context, body []byte) (found string, err error) {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return "", fmt.Errorf("upload: the virus scanner: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	msg := []byte("zINSTREAM\x00")
	for len(body) > 0 {
		n := min(len(body), scanChunk)
		msg = append(binary.BigEndian.AppendUint32(msg, uint32(n)), body[:n]...)
		body = body[n:]
	}
	_, sent := c.Write(append(msg, 0, 0, 0, 0)) // a daemon that has enough says why, and listens no more
	answer, err := io.ReadAll(io.LimitReader(c, maxVerdict))
	verdict, whole := bytes.CutSuffix(answer, []byte{0})
	_, word, _ := strings.Cut(string(verdict), ": ")
	name, bad := strings.CutSuffix(word, " FOUND")
	switch {
	case whole && bad && name != "":
		return name, nil
	case whole && word == "OK" && sent == nil:
		return "", nil
	}
	return "", errors.Join(fmt.Errorf("upload: the virus scanner says %.200q", answer), sent, err)
}
