// Package station is the issuer's end of cardsvc/relay: an HTTP endpoint at which a station's cardsvc asks, turn by turn, for the next commands for the card
// in front of it. To the rest of the issuer a session looks like a card: a Transmitter that sends batches.
//
// Turns are numbered and idempotent: a turn that is repeated (its answer was lost on the way) gets the same reply and nothing is sent to the card twice.
// It must not import keys, profiles or the server's client.
package station
