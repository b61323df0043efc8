// Package exchange is the wire between two provinces' registers: identities and their keys, the signed and enciphered message, its receipt (docs/exchange.md).
//
// It knows no database, no HTTP and no rule: what a message says is registry.Letter, when it is sent and applied is the service's business. A message is core-deterministic
// CBOR signed as COSE_Sign1; its letter is enciphered to the receiving register alone. Suites are those of cards: ES256 with AES-256-GCM, SM2 with SM4-GCM.
package exchange
