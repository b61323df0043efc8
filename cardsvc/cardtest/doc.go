// Package cardtest is for tests of whatever speaks to cards: a ready-made authority (root, certificate, issuing key, reading key), strict transcripts, torn and
// hostile chips. Nothing but tests may import it.
package cardtest
