package credential

import (
	"bytes"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf8"
)

// Sizes of the sealed record, in bytes.
const (
	seedSize     = 16
	nonceSize    = 12
	maxItemValue = 120
	// sectionKeyIDSize is epoch (2) and section (1).
	sectionKeyIDSize = 3
)

// sealedClear is a section in clear: [seed, {item: value}].
type sealedClear struct {
	_     struct{} `cbor:",toarray"`
	Seed  []byte
	Items map[int]string
}

// encrypt0 is COSE_Encrypt0 (RFC 9052 §5.2), without a tag.
type encrypt0 struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected map[int64][]byte
	Ciphertext  []byte
}

type sealHeader struct {
	Algorithm int64  `cbor:"1,keyasint"`
	Key       []byte `cbor:"4,keyasint"` // sectionKeyID
}

// SealItems encrypts items, each section under its key of k's epoch, and gives the digest of each item for the public record. The sealed record opens only beside the
// card number and sequence it was made for. rand gives 28 bytes a section: the seed of its salts and its nonce. Errors: ErrValue for an item number outside 1–23 or a
// value that is not UTF-8 of at most 120 bytes, ErrTooLarge above MaxSealed bytes, ErrSuite.
func SealItems(items Items, k ReadingKey, cardNo string, seq uint32, rand io.Reader) ([]byte, map[Item][16]byte, error) {
	d, err := suiteOf(k.Suite)
	if err != nil {
		return nil, nil, err
	}
	if len(items) > maxDigests {
		return nil, nil, fmt.Errorf("%w: %d items, at most %d", ErrValue, len(items), maxDigests)
	}
	digests := make(map[Item][16]byte, len(items))
	parts := make([]encrypt0, len(Sections))
	for i, section := range Sections {
		if parts[i], err = sealSection(d, items, k, section, cardNo, seq, digests, rand); err != nil {
			return nil, nil, err
		}
	}
	for item := range items {
		if _, ok := digests[item]; !ok {
			return nil, nil, fmt.Errorf("%w: item %d must be UTF-8 of at most %d bytes", ErrValue, int(item), maxItemValue)
		}
	}
	sealed, err := encMode.Marshal(parts)
	if err != nil {
		return nil, nil, err
	}
	if len(sealed) > MaxSealed {
		return nil, nil, fmt.Errorf("%w: a sealed record of %d bytes, at most %d: shorten the longest items", ErrTooLarge, len(sealed), MaxSealed)
	}
	return sealed, digests, nil
}

// sealSection seals the items of one section and adds their digests; items that no record can carry are left out.
func sealSection(d *suiteDef, items Items, k ReadingKey, section Section, cardNo string, seq uint32, digests map[Item][16]byte, rand io.Reader) (encrypt0, error) {
	key, err := k.section(d, section)
	if err != nil {
		return encrypt0{}, err
	}
	defer clear(key)
	random := make([]byte, seedSize+nonceSize)
	if _, err := io.ReadFull(rand, random); err != nil {
		return encrypt0{}, err
	}
	seed, nonce := random[:seedSize], random[seedSize:]
	part := sealedClear{Seed: seed, Items: map[int]string{}}
	for item, value := range items {
		if item.Section() != section || item < 1 || item > maxItem || len(value) > maxItemValue || !utf8.ValidString(value) {
			continue
		}
		part.Items[int(item)] = value
		digests[item] = itemDigest(d, itemSalt(d, seed, item), item, value)
	}
	plain, err := encMode.Marshal(part)
	if err != nil {
		return encrypt0{}, fmt.Errorf("%w: %v", ErrValue, err)
	}
	protected, err := encMode.Marshal(sealHeader{d.seal, sectionKeyID(k.Epoch, section)})
	if err != nil {
		return encrypt0{}, err
	}
	gcm, err := d.newGCM(key)
	if err != nil {
		return encrypt0{}, fmt.Errorf("%w: reading key", ErrValue)
	}
	aad, err := sealAAD(protected, cardNo, seq)
	if err != nil {
		return encrypt0{}, err
	}
	return encrypt0{Protected: protected, Unprotected: map[int64][]byte{headerIV: nonce}, Ciphertext: gcm.Seal(nil, nonce, plain, aad)}, nil
}

// OpenItems opens what the keys open of the sealed record that lies beside p, and checks that the items of each opened section are exactly those whose digests p
// carries. p must come from Verifier.Check: its digests are what makes the items trustworthy. Errors: ErrFormat, ErrNoKey when there is no key of p's epoch, ErrSealed, ErrDigest.
func OpenItems(sealed []byte, keys map[uint16]DeviceKeys, p Public) (Items, error) {
	parts, err := decodeSealed(sealed)
	if err != nil {
		return nil, err
	}
	items := Items{}
	opened := false
	for i, section := range Sections {
		epoch, of, alg := parts[i].epoch, parts[i].section, parts[i].alg
		if epoch != p.Epoch || of != section {
			return nil, fmt.Errorf("%w: epoch or section is not the signed one", ErrSealed)
		}
		k := keys[epoch]
		key, ok := k.Sections[section]
		if !ok {
			continue
		}
		d, err := suiteOf(k.Suite)
		if err != nil {
			return nil, err
		}
		if d.seal != alg || len(key) != d.keySize || k.Epoch != epoch {
			return nil, fmt.Errorf("%w: algorithm is not the reading key's", ErrSealed)
		}
		if err := openSection(d, parts[i], key, section, p, items); err != nil {
			return nil, err
		}
		opened = true
	}
	if !opened {
		return nil, ErrNoKey
	}
	return items, nil
}

// openSection adds a section's items.
func openSection(d *suiteDef, part sealedPart, key Secret, section Section, p Public, items Items) error {
	gcm, err := d.newGCM(key)
	if err != nil {
		return ErrSealed
	}
	aad, err := sealAAD(part.Protected, p.CardNo, p.Sequence)
	if err != nil {
		return err
	}
	plain, err := gcm.Open(nil, part.nonce, part.Ciphertext, aad)
	if err != nil {
		return ErrSealed
	}
	var inside sealedClear
	if err := decodeExact(plain, &inside); err != nil {
		return err
	}
	want := 0
	for item := range p.Digests {
		if item.Section() == section {
			want++
		}
	}
	if len(inside.Seed) != seedSize || len(inside.Items) != want {
		return ErrDigest
	}
	for n, value := range inside.Items {
		item := Item(n)
		want, ok := p.Digests[item]
		got := itemDigest(d, itemSalt(d, inside.Seed, item), item, value)
		if !ok || item.Section() != section || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return ErrDigest
		}
		items[item] = value
	}
	return nil
}

// sealedPart is a section whose form was checked.
type sealedPart struct {
	encrypt0
	alg     int64
	epoch   uint16
	section Section
	nonce   []byte
}

// decodeSealed reads the form of a sealed record: one COSE_Encrypt0 a section, in order.
func decodeSealed(sealed []byte) ([]sealedPart, error) {
	if len(sealed) == 0 || len(sealed) > MaxSealed {
		return nil, fmt.Errorf("%w: sealed record of %d bytes", ErrFormat, len(sealed))
	}
	var parts []encrypt0
	if err := decodeExact(sealed, &parts); err != nil {
		return nil, err
	}
	if len(parts) != len(Sections) {
		return nil, fmt.Errorf("%w: %d sections in the sealed record", ErrFormat, len(parts))
	}
	out := make([]sealedPart, len(parts))
	for i, e := range parts {
		var h sealHeader
		if err := decodeExact(e.Protected, &h); err != nil {
			return nil, err
		}
		nonce := e.Unprotected[headerIV]
		if len(e.Unprotected) != 1 || len(nonce) != nonceSize || len(h.Key) != sectionKeyIDSize {
			return nil, fmt.Errorf("%w: headers of the sealed record", ErrFormat)
		}
		out[i] = sealedPart{e, h.Algorithm, binary.BigEndian.Uint16(h.Key), Section(h.Key[2]), nonce}
	}
	return out, nil
}

// EpochOf tells which epoch's keys a sealed record needs, without opening it.
func EpochOf(sealed []byte) (uint16, error) {
	parts, err := decodeSealed(sealed)
	if err != nil {
		return 0, err
	}
	return parts[0].epoch, nil
}

// sectionKeyID is COSE's key id of a section key: epoch (big-endian) and section.
func sectionKeyID(epoch uint16, section Section) []byte {
	return []byte{byte(epoch >> 8), byte(epoch), byte(section)}
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
