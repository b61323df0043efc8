package api

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"time"
)

// When the line is down for days, a kiosk's outbox is carried to the office on a stick. A Carry file is sealed to the server's office key (HPKE, RFC 9180:
// X25519, HKDF-SHA256, AES-256-GCM), so that whoever finds the stick reads nothing; inside are the same signed batches that the line would have brought. The
// server answers with a CarryReceipt file holding its usual signed receipt, which the kiosk takes like one from the line. Both may come in any order and again.

// Forms of the two files.
const (
	CarryForm        = "xueji-outbox-1"
	CarryReceiptForm = "xueji-receipt-1"
	MaxCarry         = 96 << 20 // bytes of a Carry file
	maxCarryPlain    = 64 << 20
)

// Errors of the two files.
var (
	ErrCarry     = errors.New("api: not an outbox file of a kiosk, or damaged")
	ErrCarryKey  = errors.New("api: the outbox file is sealed to another server, or damaged")
	ErrCarrySize = errors.New("api: the outbox file is too large")
)

// Carry is what stands on the stick. All but Sealed is for people who sort sticks; nothing is believed of it.
type Carry struct {
	Form   string    `json:"form"`
	Kiosk  string    `json:"kiosk"`
	No     int       `json:"no"`
	MadeAt time.Time `json:"made_at"`
	Events int       `json:"events"`
	Sealed []byte    `json:"sealed"`
}

// CarryReceipt is the answer.
type CarryReceipt struct {
	Form    string  `json:"form"`
	Receipt Receipt `json:"receipt"`
}

func carryInfo(kiosk string) []byte { return []byte(CarryForm + "\x00" + kiosk) }

// SealCarry makes the file. officeKey is the server's X25519 public key of the enrolment.
func SealCarry(officeKey []byte, c Carry, batches []Batch) ([]byte, error) {
	pub, err := ecdh.X25519().NewPublicKey(officeKey)
	if err != nil {
		return nil, err
	}
	to, err := hpke.NewDHKEMPublicKey(pub)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(batches)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxCarryPlain {
		return nil, ErrCarrySize
	}
	c.Form, c.Events = CarryForm, 0
	for _, b := range batches {
		c.Events += len(b.Payloads)
	}
	if c.Sealed, err = hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), carryInfo(c.Kiosk), plain); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// OpenCarry reads the file with the server's office key. The batches' signatures are the caller's to check. Errors are the package's three.
func OpenCarry(office *ecdh.PrivateKey, file []byte) (Carry, []Batch, error) {
	var c Carry
	if len(file) > MaxCarry {
		return c, nil, ErrCarrySize
	}
	if err := strict(file, &c); err != nil || c.Form != CarryForm || c.Kiosk == "" || len(c.Kiosk) > 64 {
		return Carry{}, nil, ErrCarry
	}
	key, err := hpke.NewDHKEMPrivateKey(office)
	if err != nil {
		return Carry{}, nil, err
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), carryInfo(c.Kiosk), c.Sealed)
	if err != nil {
		return Carry{}, nil, ErrCarryKey
	}
	var batches []Batch
	if err := strict(plain, &batches); err != nil {
		return Carry{}, nil, ErrCarry
	}
	for i := range batches {
		if batches[i].Kiosk != c.Kiosk {
			return Carry{}, nil, ErrCarry
		}
	}
	return c, batches, nil
}

// ReadCarryReceipt reads a receipt file; the receipt's signature is the caller's to check.
func ReadCarryReceipt(file []byte) (Receipt, error) {
	var r CarryReceipt
	if err := strict(file, &r); err != nil || r.Form != CarryReceiptForm {
		return Receipt{}, ErrCarry
	}
	return r.Receipt, nil
}

// strict decodes one JSON value with known members only.
func strict(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if dec.More() {
		return ErrCarry
	}
	return nil
}
