// Package storetest judges every store by one suite: what store.Store promises, engine by engine alike.
//
// It owns no database: Run is handed a way to open an empty store.
package storetest
