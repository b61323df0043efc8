package localapi

import "fmt"

// Codes of Error, with the HTTP status each is sent under.
const (
	CodeBadRequest  = "bad_request"   // 400: the body or the path is not understood
	CodeForbidden   = "forbidden"     // 403: this Host or Origin may not ask
	CodeNoReader    = "no_reader"     // 404: no reader of that id was ever seen
	CodeNoSimCard   = "no_sim_card"   // 404: no such software card
	CodeNotFound    = "not_found"     // 404: no such path
	CodeNoCard      = "no_card"       // 409: the reader is empty
	CodeMany        = "many"          // 409: two cards at once; take one away
	CodeBusy        = "busy"          // 409: another tap, relay or program has the card
	CodeSimLocked   = "sim_locked"    // 409: the software card lies on another reader
	CodeBadTrust    = "bad_trust"     // 422: certificates or list do not verify under the pinned roots; the old ones stay
	CodeReaderGone  = "reader_gone"   // 503: unplugged, or pcscd is down; it comes back by itself
	CodeNoIssuer    = "no_issuer"     // 503: started without --issuer
	CodeBadSimCard  = "bad_sim_card"  // 422: no software card speaks that profile
	CodeUnreachable = "unreachable"   // client only: cardsvc does not answer
	CodeInternal    = "internal"      // 500
	CodeNotAllowed  = "not_allowed"   // 405
	CodeTooLarge    = "too_large"     // 413
	CodeNotSim      = "not_sim"       // 409: a hardware reader: only a hand can insert there
	CodeMediaType   = "media_type"    // 415: send application/json
	CodeShutdown    = "shutting_down" // 503
)

// Error implements error; Detail is for the operator.
func (e *Error) Error() string {
	if e.Detail == "" {
		return "cardsvc: " + e.Code
	}
	return fmt.Sprintf("cardsvc: %s: %s", e.Code, e.Detail)
}
