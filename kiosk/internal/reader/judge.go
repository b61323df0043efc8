package reader

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/desk"
	"xueji/server/api"
)

// Judge checks records against the roots this kiosk was enrolled with, beside cardsvc's own judgement, so that another program on the card service's port
// cannot make a card good. It also opens what the keys sealed to this device open of sealed records: the desk's section, no more. It is safe for concurrent use.
type Judge struct {
	verifier *credential.Verifier
	private  []byte // X25519
	keys     atomic.Pointer[map[uint16]credential.DeviceKeys]
	peers    atomic.Pointer[map[string]peer]
	trusted  atomic.Bool
}

// peer judges another province's cards.
type peer struct {
	trust    api.PeerTrust
	verifier *credential.Verifier
}

// NewJudge pins the roots (credential.EncodeRoots). private is the device's X25519 key.
func NewJudge(roots, private []byte) (*Judge, error) {
	r, err := credential.DecodeRoots(roots)
	if err != nil {
		return nil, fmt.Errorf("reader: the card roots of the enrolment are damaged; enrol this kiosk anew: %w", err)
	}
	j := &Judge{verifier: credential.NewVerifier(r), private: private}
	j.keys.Store(&map[uint16]credential.DeviceKeys{})
	j.peers.Store(&map[string]peer{})
	return j, nil
}

// SetTrust takes what chains to the roots. A list older than the one held is passed over; certificates that do not chain are an error and change nothing.
func (j *Judge) SetTrust(t api.Trust) error {
	if len(t.Certificates) > 0 {
		if err := j.verifier.SetCertificates(t.Certificates); err != nil {
			return err
		}
		j.trusted.Store(true)
	}
	if len(t.StatusList) > 0 {
		if err := j.verifier.SetStatusList(t.StatusList); err != nil && !errors.Is(err, credential.ErrOlderList) {
			return err
		}
	}
	first := j.setPeers(t.Peers)
	keys := map[uint16]credential.DeviceKeys{}
	for epoch, sealed := range t.ReadingKeys {
		k, err := credential.OpenKeys(j.private, sealed)
		if err != nil || k.Epoch != epoch {
			if first == nil {
				first = fmt.Errorf("reader: the reading keys of epoch %d do not open: %w", epoch, err)
			}
			continue
		}
		keys[epoch] = k
	}
	j.keys.Store(&keys)
	return first
}

// setPeers takes by what other provinces' cards are judged; what is not here any longer is dropped. Trust that does not hold together leaves that province's cards unknown and
// is the error.
func (j *Judge) setPeers(told []api.PeerTrust) error {
	peers := map[string]peer{}
	var first error
	for _, t := range told {
		p := (*j.peers.Load())[t.Province]
		if p.verifier == nil || !reflect.DeepEqual(p.trust, t) {
			v, err := peerVerifier(t)
			if err != nil {
				if first == nil {
					first = fmt.Errorf("reader: the trust of %s: %w", t.Province, err)
				}
				continue
			}
			p = peer{t, v}
		}
		peers[t.Province] = p
	}
	j.peers.Store(&peers)
	return first
}

// peerVerifier holds a province's trust to that province: its roots vouch for no other.
func peerVerifier(t api.PeerTrust) (*credential.Verifier, error) {
	roots, err := credential.DecodeRoots(t.Roots)
	if err != nil {
		return nil, err
	}
	for _, r := range roots {
		if r.Authority != t.Province {
			return nil, credential.ErrUntrusted
		}
	}
	v := credential.NewVerifier(roots)
	if err := v.SetCertificates(t.Certificates); err != nil {
		return nil, err
	}
	if len(t.StatusList) > 0 {
		if err := v.SetStatusList(t.StatusList); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Far judges a card that is no card of this register under the trust of the province whose issuer signed it.
func (j *Judge) Far(t localapi.Tap, now time.Time) desk.FarVerdict {
	for province, p := range *j.peers.Load() {
		pub, r := p.verifier.Check(t.Record, t.ChipSerial, now)
		if r.Verdict == credential.UnknownIssuer || r.Verdict == credential.Forged {
			continue
		}
		if pub.Profile != t.Profile {
			r.Verdict = credential.WrongChip
		}
		_, until := p.verifier.ListState()
		return desk.FarVerdict{Province: province, Verdict: localapi.Verdict(r.Verdict), ListUntil: until, ListStale: r.ListStale}
	}
	return desk.FarVerdict{}
}

// Readers are the keys that open guarded sealed places, of the newest epoch's delivery; without keys when it brought none, or this kiosk is revoked.
func (j *Judge) Readers() localapi.Readers {
	var newest credential.DeviceKeys
	for _, k := range *j.keys.Load() {
		if k.Epoch >= newest.Epoch && len(k.Readers) > 0 {
			newest = k
		}
	}
	r := localapi.Readers{Authority: newest.Authority}
	for profile, key := range newest.Readers {
		if r.Keys == nil {
			r.Keys = map[string][]byte{}
		}
		r.Keys[profile] = key
	}
	return r
}

// State says whether there are certificates and reading keys, and until when the list is good.
func (j *Judge) State() (trusted, keys bool, listUntil time.Time) {
	_, listUntil = j.verifier.ListState()
	return j.trusted.Load(), len(*j.keys.Load()) > 0, listUntil
}

// Check judges a record with the chip it was read from.
func (j *Judge) Check(record, chipSerial []byte, now time.Time) localapi.Verdict {
	_, r := j.verifier.Check(record, chipSerial, now)
	return localapi.Verdict(r.Verdict)
}

// Open reads the desk's section of the sealed record beside a record that verified.
func (j *Judge) Open(record, sealed []byte) (desk.Details, bool) {
	p, err := credential.Decode(record)
	if err != nil {
		return desk.Details{}, false
	}
	it, err := credential.OpenItems(sealed, *j.keys.Load(), p)
	if err != nil {
		return desk.Details{}, false
	}
	return desk.Details{Name: it[credential.ItemName], NumberTail: it[credential.ItemTail], Grade: it[credential.ItemGrade],
		Class: it[credential.ItemClass], School: it[credential.ItemSchoolName]}, true
}
