package cardtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"xueji/cardsvc/credential"
)

// Now is the moment at which the ready-made authority's records are judged.
var Now = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)

// Deterministic is a source of "randomness" that gives the same bytes for the same label: for vectors and tests only.
func Deterministic(label string) io.Reader { return &counterReader{label: label} }

type counterReader struct {
	label string
	n     uint64
	rest  []byte
}

func (r *counterReader) Read(b []byte) (int, error) {
	for i := range b {
		if len(r.rest) == 0 {
			h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("xueji test "+r.label+" "), r.n))
			r.n++
			r.rest = h[:]
		}
		b[i] = r.rest[0]
		r.rest = r.rest[1:]
	}
	return len(b), nil
}

// Authority is a province's cards department with fixed keys.
type Authority struct {
	Code        string
	Root        *credential.PrivateKey
	Issuing     *credential.PrivateKey
	Certificate []byte
	Reading     credential.ReadingKey
}

// NewAuthority makes the authority of a province; the same label and suite give the same keys. The certificate runs from a year before Now to a year after.
func NewAuthority(t testing.TB, code string, suite credential.Suite) *Authority {
	t.Helper()
	a, err := MakeAuthority(code, suite)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// MakeAuthority is NewAuthority without a test.
func MakeAuthority(code string, suite credential.Suite) (*Authority, error) {
	label := fmt.Sprintf("%s %s ", code, suite)
	a := &Authority{Code: code}
	var err error
	if a.Root, err = credential.GenerateKey(suite, Deterministic(label+"root")); err != nil {
		return nil, err
	}
	if a.Issuing, err = credential.GenerateKey(suite, Deterministic(label+"issuing")); err != nil {
		return nil, err
	}
	if a.Reading, err = credential.NewReadingKey(1, suite, Deterministic(label+"reading")); err != nil {
		return nil, err
	}
	a.Certificate, err = credential.SignCertificate(credential.Certificate{
		Suite: suite, PublicKey: a.Issuing.PublicKey(), Authority: code, NotBefore: Now.AddDate(-1, 0, 0), NotAfter: Now.AddDate(1, 0, 0),
	}, a.Root)
	return a, err
}

// Pinned is the root to pin.
func (a *Authority) Pinned() credential.Root { return credential.RootOf(a.Root, a.Code) }

// Keys open every section of this authority's cards: what its issuer sees.
func (a *Authority) Keys() map[uint16]credential.DeviceKeys {
	return a.KeysOf(credential.Sections[:]...)
}

// KeysOf are a reader's keys for some sections.
func (a *Authority) KeysOf(sections ...credential.Section) map[uint16]credential.DeviceKeys {
	k, err := a.Reading.For(sections...)
	if err != nil {
		panic(err)
	}
	return map[uint16]credential.DeviceKeys{k.Epoch: k}
}

// Verifier pins the roots of the authorities, holds their certificates and a fresh status list of the first with nobody on it.
func Verifier(t testing.TB, authorities ...*Authority) *credential.Verifier {
	t.Helper()
	var roots []credential.Root
	var certs [][]byte
	for _, a := range authorities {
		roots = append(roots, a.Pinned())
		certs = append(certs, a.Certificate)
	}
	v := credential.NewVerifier(roots)
	if err := v.SetCertificates(certs); err != nil {
		t.Fatal(err)
	}
	for _, a := range authorities {
		if err := v.SetStatusList(a.StatusList(t, 1, nil, nil)); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// StatusList signs a list issued an hour before Now, good for a week.
func (a *Authority) StatusList(t testing.TB, number uint64, revoked []uint32, minSeq map[uint32]uint32) []byte {
	t.Helper()
	b, err := credential.SignStatusList(credential.StatusList{
		Authority: a.Code, Number: number, Issued: Now.Add(-time.Hour), Expires: Now.AddDate(0, 0, 7), Revoked: revoked, MinSeq: minSeq,
	}, a.Issuing)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Items is a pupil's sealed record; the names are hard on purpose: a character above U+FFFF and the middle dot U+00B7.
func Items() credential.Items {
	return credential.Items{
		credential.ItemName: "欧阳𬀩", credential.ItemSex: "2", credential.ItemBirth: "2015-03-08", credential.ItemNumber: "G330106201503080027",
		credential.ItemSchoolName: "杭州市西湖区文三街小学", credential.ItemGrade: "五年级", credential.ItemClass: "3班", credential.ItemStanding: "在读",
		credential.ItemPhoto: "9f86d081884c7d659a2feaa0c55ad015", credential.ItemTail: "0027",
	}
}

// Public is the public record of a pupil for a chip, unsigned: sequence seq, valid at Now, digests still missing.
func Public(chip []byte, seq uint32) credential.Public {
	return credential.Public{
		CardNo: "330000000000017", PupilRef: [16]byte(bytes.Repeat([]byte{0xA5}, 16)), School: "2133000017", Status: credential.StatusActive, Sequence: seq,
		Issued: Now.AddDate(0, 0, -1), Expires: Now.AddDate(6, 0, 0), StatusIdx: 17, Profile: "xueji-soft", Level: 1, ChipSerial: chip, Epoch: 1,
	}
}

// Issue makes both records of a pupil for a chip; change, if not nil, alters the public record before it is signed.
func (a *Authority) Issue(t testing.TB, chip []byte, seq uint32, change func(*credential.Public)) (record, sealed []byte) {
	t.Helper()
	p := Public(chip, seq)
	var err error
	sealed, p.Digests, err = credential.SealItems(Items(), a.Reading, p.CardNo, seq, Deterministic(fmt.Sprint("seal ", a.Code, seq)))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&p)
	}
	if record, err = p.Sign(a.Issuing); err != nil {
		t.Fatal(err)
	}
	return record, sealed
}
