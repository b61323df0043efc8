// Package vault seals values at rest in envelopes: a key-encryption key (KEK), kept outside the database, wraps numbered data keys; each sealed value names
// the data key and the suite it was sealed under and is bound to its place.
//
// It owns the envelope's format, the suites (AES-256-GCM, SM4-GCM), the KEK file, the blind index's keyed digests. It owns no table: Table is implemented by the
// store. It imports no other room; it lies outside server/internal so that tests which audit a database from outside can open it with its KEK.
//
// # The envelope
//
//	0      0xFE, which begins no JSON, no UTF-8 text, no JPEG, PNG, PDF or ZIP: what begins otherwise is clear, from before the vault
//	1      suite
//	2…5    number of the data key, big endian
//	6…17   nonce
//	18…    ciphertext and tag of 16 bytes
//
// The additional data are the six bytes of the header and the place: table, column and row. A value moved to another row, column or table does not open. That a row
// is set back to an older value of its own is not noticed here.
//
// # Nonces and limits
//
// A nonce is 96 random bits. NIST SP 800-38D (8.3) bounds such a key to 2³² values for a chance of a repeated nonce below 2⁻³²; a key that sealed RotateAfter (2³¹) values,
// as the processes counted them, is replaced by the worker.
//
// # Keys
//
// Data keys and the index key are 32 random bytes. What goes into a cipher is derived from them by HKDF-SHA-256 with a label per suite. A Vault that has not read the
// table of keys for Stale refuses to seal: that is what lets a retired key be destroyed once Grace has passed and no value names it.
package vault
