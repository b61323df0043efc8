package postgres

import (
	"errors"
	"io"
	"net"

	"github.com/jackc/puddle/v2"
)

// isConnection reports whether the trouble is the connection's: lost in the middle, refused, pool closed.
func isConnection(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, puddle.ErrClosedPool)
}
