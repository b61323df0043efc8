// Package reader supervises readers: hardware through pcscd and simulated ones alike. It knows at each moment what stands on each reader, recovers by itself
// from pulled plugs and dead daemons, tells subscribers, and hands a card to one user at a time.
//
// It knows nothing of what is on a card: profiles are recognised by an Identifier handed in. It must not import net/http.
package reader
