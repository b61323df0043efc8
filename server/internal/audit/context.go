package audit

import (
	"context"
	"net/netip"

	"xueji/server/registry"
)

// Place is where a request came from.
type Place struct{ Net string }

// Given is the reason a person has for looking at a pupil.
type Given struct {
	Why   string
	Case  registry.CaseNo
	Words []byte
}

type placeKey struct{}

// WithPlace hands on where a request came from.
func WithPlace(ctx context.Context, p Place) context.Context {
	return context.WithValue(ctx, placeKey{}, p)
}

// PlaceOf reads it; zero when nobody said.
func PlaceOf(ctx context.Context) Place {
	p, _ := ctx.Value(placeKey{}).(Place)
	return p
}

// Network cuts an address to the network that the log keeps: /24 of IPv4, /48 of IPv6; "" for what is no address.
func Network(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return ""
	}
	bits := 48
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

type actorKey struct{}

// Actor is who acts, for what the store records by itself (accounts, kiosks, settings, keys).
type Actor struct{ registry.Actor }

// WithActor hands on who acts.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf reads it; without one the program itself acts ("command").
func ActorOf(ctx context.Context) Actor {
	a, ok := ctx.Value(actorKey{}).(Actor)
	if !ok {
		a.Via = "command"
	}
	return a
}

// By fills in who and where.
func (e Entry) By(ctx context.Context, a registry.Actor) Entry {
	e.Account, e.Unit, e.Role, e.Via, e.Net = a.Account, a.Unit, a.Role, a.Via, PlaceOf(ctx).Net
	e.For = a.ForAccount
	return e
}

type numbersKey struct{}

// NumbersOnly marks a read of which only counts leave the server: it is no look.
func NumbersOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, numbersKey{}, true)
}

// IsNumbersOnly reads the mark.
func IsNumbersOnly(ctx context.Context) bool {
	v, _ := ctx.Value(numbersKey{}).(bool)
	return v
}
