// Package token speaks to a PKCS#11 token (an HSM, or SoftHSM2): P-256 issuing and root keys that sign inside it, and card master keys that encipher inside it. A key
// made here is sensitive and cannot be extracted; no function returns one.
//
// PKCS#11 2.40 names no SM2 or SM4 mechanism, so keys of those suites live in files. The PIN is read from a file when it is needed, is never kept and never printed,
// and a PIN that the token refused once is not tried again: tokens lock after a few tries.
//
// It must not import net/http or the rest of custody.
package token
