package credential

import (
	"fmt"
	"time"
)

// certificateWire is the payload of a certificate; keys are those of docs/card-format.md §5. The issuing key's id follows from its point.
type certificateWire struct {
	Suite     int    `cbor:"1,keyasint"`
	PublicKey []byte `cbor:"2,keyasint"`
	Authority string `cbor:"3,keyasint"`
	NotBefore uint64 `cbor:"4,keyasint"`
	NotAfter  uint64 `cbor:"5,keyasint"`
}

// SignCertificate makes a root vouch for an issuing key. KeyID and Root of c are ignored: the first follows from the point, the second is root's.
func SignCertificate(c Certificate, root Signer) ([]byte, error) {
	d, err := suiteOf(c.Suite)
	if err != nil {
		return nil, err
	}
	w := certificateWire{d.wire, c.PublicKey, c.Authority, uint64(c.NotBefore.Unix()), uint64(c.NotAfter.Unix())}
	if _, err := w.check(); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrValue, err)
	}
	return sign1(root, aadCertificate, w)
}

// DecodeCertificate reads a certificate without checking its signature.
func DecodeCertificate(b []byte) (Certificate, error) {
	c, _, _, err := decodeCertificate(b)
	return c, err
}

func decodeCertificate(b []byte) (Certificate, *publicKey, *signed, error) {
	s, err := openSigned(b, MaxCertificate)
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	var w certificateWire
	if err := decodeExact(s.message.Payload, &w); err != nil {
		return Certificate{}, nil, nil, err
	}
	key, err := w.check()
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	id, err := KeyIDOf(key.suite.name, w.PublicKey)
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	return Certificate{
		KeyID: id, Suite: key.suite.name, PublicKey: w.PublicKey, Authority: w.Authority,
		NotBefore: time.Unix(int64(w.NotBefore), 0).UTC(), NotAfter: time.Unix(int64(w.NotAfter), 0).UTC(), Root: s.keyID,
	}, key, s, nil
}

func (w *certificateWire) check() (*publicKey, error) {
	d, err := suiteOfWire(w.Suite)
	if err != nil {
		return nil, err
	}
	if !authority(w.Authority) {
		return nil, fmt.Errorf("%w: authority must be six digits", ErrFormat)
	}
	if w.NotBefore > maxTime || w.NotAfter > maxTime || w.NotAfter <= w.NotBefore {
		return nil, fmt.Errorf("%w: validity", ErrFormat)
	}
	return parsePublic(d.name, w.PublicKey)
}

func authority(code string) bool { return len(code) == 6 && every(code, digit) }

// rootWire is one entry of a roots file.
type rootWire struct {
	Suite     int    `cbor:"1,keyasint"`
	PublicKey []byte `cbor:"2,keyasint"`
	Authority string `cbor:"3,keyasint"`
}

// RootOf is the root that signs with s.
func RootOf(s Signer, authority string) Root {
	return Root{KeyID: s.KeyID(), Suite: s.Suite(), PublicKey: s.PublicKey(), Authority: authority}
}

// EncodeRoots writes a roots file. KeyID is left out: it follows from the point.
func EncodeRoots(roots []Root) ([]byte, error) {
	if len(roots) == 0 || len(roots) > maxRoots {
		return nil, fmt.Errorf("%w: %d roots", ErrValue, len(roots))
	}
	wires := make([]rootWire, len(roots))
	for i, r := range roots {
		d, err := suiteOf(r.Suite)
		if err != nil {
			return nil, err
		}
		if _, err := parsePublic(r.Suite, r.PublicKey); err != nil {
			return nil, err
		}
		if !authority(r.Authority) {
			return nil, fmt.Errorf("%w: authority must be six digits", ErrValue)
		}
		wires[i] = rootWire{d.wire, r.PublicKey, r.Authority}
	}
	return encMode.Marshal(wires)
}

// DecodeRoots reads a roots file and checks every point.
func DecodeRoots(b []byte) ([]Root, error) {
	if len(b) > maxRootsFile {
		return nil, fmt.Errorf("%w: a roots file of %d bytes", ErrFormat, len(b))
	}
	var wires []rootWire
	if err := decodeExact(b, &wires); err != nil {
		return nil, err
	}
	if len(wires) == 0 || len(wires) > maxRoots {
		return nil, fmt.Errorf("%w: %d roots", ErrFormat, len(wires))
	}
	roots := make([]Root, len(wires))
	for i, w := range wires {
		d, err := suiteOfWire(w.Suite)
		if err != nil {
			return nil, err
		}
		if _, err := parsePublic(d.name, w.PublicKey); err != nil {
			return nil, err
		}
		if !authority(w.Authority) {
			return nil, fmt.Errorf("%w: authority must be six digits", ErrFormat)
		}
		id, err := KeyIDOf(d.name, w.PublicKey)
		if err != nil {
			return nil, err
		}
		roots[i] = Root{KeyID: id, Suite: d.name, PublicKey: w.PublicKey, Authority: w.Authority}
	}
	return roots, nil
}
