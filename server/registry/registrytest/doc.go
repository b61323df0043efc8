// Package registrytest builds what tests of other rooms need: a small directory of units, and ready-made pupils in each state, each reached through
// registry.Decide and nothing else, so that no test rests on a record that cannot be.
//
// It holds no store (server/internal/store/storetest judges those) and is for tests and demos only. It imports server/registry and the standard library.
package registrytest
