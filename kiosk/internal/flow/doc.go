// Package flow is the kiosk's session machine: which question stands on the screen, what an answer, a card, a reply or the passing of time does to it.
//
// It is pure. Step takes the state, an input and the time and returns the next state and the effects to carry out; the desk performs them and hands their
// results back as inputs. It reads no clock, starts no goroutine and imports neither os, net/http, database/sql, log/slog nor the wire types: what it knows
// of a pupil is masked before it comes here, and passwords and PINs only pass through it into an effect.
package flow
