package api

import (
	"context"
	"net/http"
)

// ExchangeRequest carries a message of another province's register (package exchange), ExchangeReply the signed receipt for it.
type ExchangeRequest struct {
	Message []byte `json:"message"`
}

// ExchangeReply is the receipt: the message is durable at the receiver.
type ExchangeReply struct {
	Receipt []byte `json:"receipt"`
}

// Deliver posts a message to a register and returns its receipt. Errors as of every client: CodeUnavailable when nothing is known of what became of it.
func Deliver(ctx context.Context, server string, message []byte, h *http.Client) ([]byte, error) {
	t := newTransport(server, h)
	t.adorn = func(*http.Request, string, []byte) {}
	var out ExchangeReply
	err := t.do(ctx, http.MethodPost, PathExchange, ExchangeRequest{Message: message}, &out)
	return out.Receipt, err
}
