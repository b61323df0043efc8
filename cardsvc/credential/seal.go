package credential

import (
	"bytes"
	"crypto/hmac"
	"crypto/subtle"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Sizes of the sealed record, in bytes.
const (
	seedSize     = 16
	nonceSize    = 12
	maxItemValue = 120
	epochSize    = 2
)

// sealedClear is the sealed record in clear: [seed, {item: value}].
type sealedClear struct {
	_     struct{} `cbor:",toarray"`
	Seed  []byte
	Items map[int]string
}

// encrypt0 is COSE_Encrypt0 (RFC 9052 §5.2), tag 16.
type encrypt0 struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected map[int64][]byte
	Ciphertext  []byte
}

type sealHeader struct {
	Algorithm int64  `cbor:"1,keyasint"`
	Epoch     []byte `cbor:"4,keyasint"` // big-endian
}

const tagEncrypt0 = 0xD0

// SealItems encrypts items under the reading key of an epoch and gives the digest of each for the public record. The sealed record opens only beside the
// card number and sequence it was made for. rand gives 28 bytes: the seed of the salts and the nonce. Errors: ErrValue for an item number outside 1–23 or a
// value that is not UTF-8 of at most 120 bytes, ErrTooLarge above MaxSealed bytes, ErrSuite.
func SealItems(items Items, k ReadingKey, cardNo string, seq uint32, rand io.Reader) ([]byte, map[Item][16]byte, error) {
	d, err := suiteOf(k.Suite)
	if err != nil {
		return nil, nil, err
	}
	if len(k.Key) != d.keySize {
		return nil, nil, fmt.Errorf("%w: reading key of %d bytes", ErrValue, len(k.Key))
	}
	random := make([]byte, seedSize+nonceSize)
	if _, err := io.ReadFull(rand, random); err != nil {
		return nil, nil, err
	}
	seed, nonce := random[:seedSize], random[seedSize:]
	clear := sealedClear{Seed: seed, Items: make(map[int]string, len(items))}
	digests := make(map[Item][16]byte, len(items))
	for item, value := range items {
		if item < 1 || item > maxItem || len(value) > maxItemValue || !utf8.ValidString(value) {
			return nil, nil, fmt.Errorf("%w: item %d must be UTF-8 of at most %d bytes", ErrValue, int(item), maxItemValue)
		}
		clear.Items[int(item)] = value
		digests[item] = itemDigest(d, itemSalt(d, seed, item), item, value)
	}
	if len(items) > maxDigests {
		return nil, nil, fmt.Errorf("%w: %d items, at most %d", ErrValue, len(items), maxDigests)
	}
	plain, err := encMode.Marshal(clear)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrValue, err)
	}
	protected, err := encMode.Marshal(sealHeader{d.seal, []byte{byte(k.Epoch >> 8), byte(k.Epoch)}})
	if err != nil {
		return nil, nil, err
	}
	gcm, err := d.newGCM(k.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: reading key", ErrValue)
	}
	aad, err := sealAAD(protected, cardNo, seq)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := encMode.Marshal(cbor.Tag{Number: 16, Content: encrypt0{
		Protected: protected, Unprotected: map[int64][]byte{headerIV: nonce}, Ciphertext: gcm.Seal(nil, nonce, plain, aad),
	}})
	if err != nil {
		return nil, nil, err
	}
	if len(sealed) > MaxSealed {
		return nil, nil, fmt.Errorf("%w: a sealed record of %d bytes, at most %d: shorten the longest items", ErrTooLarge, len(sealed), MaxSealed)
	}
	return sealed, digests, nil
}

// OpenItems opens the sealed record that lies beside p, with the key of p's epoch, and checks that the items are exactly those whose digests p carries.
// p must come from Verifier.Check: its digests are what makes the items trustworthy. Errors: ErrFormat, ErrNoKey, ErrSealed, ErrDigest.
func OpenItems(sealed []byte, keys map[uint16]ReadingKey, p Public) (Items, error) {
	if len(sealed) == 0 || len(sealed) > MaxSealed || sealed[0] != tagEncrypt0 {
		return nil, fmt.Errorf("%w: sealed record of %d bytes", ErrFormat, len(sealed))
	}
	var e encrypt0
	if err := decodeExact(sealed[1:], &e); err != nil {
		return nil, err
	}
	var h sealHeader
	if err := decodeExact(e.Protected, &h); err != nil {
		return nil, err
	}
	nonce := e.Unprotected[headerIV]
	if len(e.Unprotected) != 1 || len(nonce) != nonceSize || len(h.Epoch) != epochSize {
		return nil, fmt.Errorf("%w: headers of the sealed record", ErrFormat)
	}
	epoch := uint16(h.Epoch[0])<<8 | uint16(h.Epoch[1])
	k, ok := keys[epoch]
	if epoch != p.Epoch {
		return nil, fmt.Errorf("%w: epoch is not the signed one", ErrSealed)
	}
	if !ok {
		return nil, ErrNoKey
	}
	d, err := suiteOf(k.Suite)
	if err != nil {
		return nil, err
	}
	if d.seal != h.Algorithm || len(k.Key) != d.keySize {
		return nil, fmt.Errorf("%w: algorithm is not the reading key's", ErrSealed)
	}
	gcm, err := d.newGCM(k.Key)
	if err != nil {
		return nil, ErrSealed
	}
	aad, err := sealAAD(e.Protected, p.CardNo, p.Sequence)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, e.Ciphertext, aad)
	if err != nil {
		return nil, ErrSealed
	}
	var clear sealedClear
	if err := decodeExact(plain, &clear); err != nil {
		return nil, err
	}
	if len(clear.Seed) != seedSize || len(clear.Items) != len(p.Digests) {
		return nil, ErrDigest
	}
	items := make(Items, len(clear.Items))
	for n, value := range clear.Items {
		item := Item(n)
		want, ok := p.Digests[item]
		got := itemDigest(d, itemSalt(d, clear.Seed, item), item, value)
		if !ok || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return nil, ErrDigest
		}
		items[item] = value
	}
	return items, nil
}

// EpochOf tells which reading key a sealed record needs, without opening it.
func EpochOf(sealed []byte) (uint16, error) {
	if len(sealed) == 0 || len(sealed) > MaxSealed || sealed[0] != tagEncrypt0 {
		return 0, fmt.Errorf("%w: sealed record of %d bytes", ErrFormat, len(sealed))
	}
	var e encrypt0
	var h sealHeader
	if err := decodeExact(sealed[1:], &e); err != nil {
		return 0, err
	}
	if err := decodeExact(e.Protected, &h); err != nil {
		return 0, err
	}
	if len(h.Epoch) != epochSize {
		return 0, fmt.Errorf("%w: epoch", ErrFormat)
	}
	return uint16(h.Epoch[0])<<8 | uint16(h.Epoch[1]), nil
}

// sealAAD is Enc_structure (RFC 9052 §5.3) with external_aad = [purpose, card number, sequence].
func sealAAD(protected []byte, cardNo string, seq uint32) ([]byte, error) {
	external, err := encMode.Marshal([]any{aadSealed, cardNo, seq})
	if err != nil {
		return nil, fmt.Errorf("%w: card number", ErrValue)
	}
	return encMode.Marshal([]any{"Encrypt0", protected, external})
}

// itemSalt is HMAC(seed, purpose ‖ item), first 16 bytes: one seed on the card, and yet an item can be shown with its salt alone.
func itemSalt(d *suiteDef, seed []byte, item Item) []byte {
	m := hmac.New(d.newHash, seed)
	m.Write(append([]byte(infoItemSalt), byte(item)))
	return m.Sum(nil)[:seedSize]
}

// itemDigest is the hash over the CBOR array [salt, item, value], first 16 bytes.
func itemDigest(d *suiteDef, salt []byte, item Item, value string) [digestSize]byte {
	b, err := encMode.Marshal([]any{salt, int(item), value})
	if err != nil { // value was checked to be UTF-8; nothing else can fail
		b = bytes.Clone(salt)
	}
	h := d.newHash()
	h.Write(b)
	return [digestSize]byte(h.Sum(nil)[:digestSize])
}
