package service

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/registry"
)

// CardReading is a card that lies before a member of staff: what stands on it beside what the register says. *Service implements it.
type CardReading interface {
	// ReadNonce is what the chip is to sign, or the issuer to vouch over, for a card that who reads within ReadTime.
	ReadNonce(ctx context.Context, who Staff) ([]byte, error)
	// ReadCard judges a card that was read at a station and opens what who may see of its sealed record. What is wrong with the card is CardRead.Verdict; a copy becomes a
	// task of the pupil's school. CodeInvalid
	// in "why" asks for the reason of the look (CardLaid.Why). CodeUnavailable until the issuer has left its certificates.
	ReadCard(ctx context.Context, who Staff, card CardLaid) (CardRead, error)
}

// ReadTime is how long a nonce of ReadNonce is good.
const ReadTime = 2 * time.Minute

// CardLaid is a card as the station's cardsvc read it; nothing of it is believed but what is signed.
type CardLaid struct {
	Record     []byte
	ChipSerial []byte
	Sealed     []byte // nil when it was not read
	// Guarded: the card keeps its sealed record; the key to read it is asked for.
	Guarded     bool
	Nonce       []byte // of ReadNonce
	Signature   []byte // by the chip's own key, over Nonce
	Attestation []byte // the issuer's word over Nonce
	// Copied is what the station found out with the chip and the register cannot see again: "wrong_chip" (another kind of chip, or one without the key in the record),
	// "copy" (the issuer asked it for its key). It makes a card bad, and never good.
	Copied string
	Mark   []byte // of the reading before, which asked for the key: it is the same look
	// Why and Words are the reason of the look, as for GiveReason; they count where it is not evident.
	Why, Words string
}

// VerdictUnproven is a record with a chip key in it that no chip proved.
const VerdictUnproven = "unproven"

// How a sealed record was opened.
const (
	SealedOpen    = "open"
	SealedUnread  = "unread"  // the station did not read it
	SealedGuarded = "guarded" // ReadKey is for it
	SealedNoKey   = "no_key"  // this register has no key of the card's epoch: the issuer does not know it
	SealedRetired = "retired" // the epoch is over
	SealedBroken  = "broken"  // not what the public record vouches for
)

// CardRead is what who may know of a card.
type CardRead struct {
	Verdict string // credential.Verdict's words or VerdictUnproven; "valid" alone makes the card good
	// Signed says that the public record is the issuer's: what follows up to Level is true. Zero otherwise.
	Signed    bool
	CardNo    string
	School    registry.Unit
	Issued    time.Time
	Expires   time.Time
	ListStale bool
	Level     int // proven now: 1 signature and chip serial, 2 and 3 the chip itself

	// Reach says that the pupil exists for who; all that follows is zero otherwise.
	Reach  bool
	UID    registry.UID
	Name   string
	Behind bool // the register wants the card written anew
	Sealed string
	Items  []CardItem
	// Photo says that the register has a portrait, and who may see it.
	Photo   bool
	ReadKey []byte // the chip's key to read with, for the next tap alone
	Mark    []byte
}

// CardItem is an item of the sealed record beside the register's value of today; "" where there is none.
type CardItem struct {
	Item      credential.Item
	Card, Now string
}

// Same says that the card says what the register says.
func (i CardItem) Same() bool { return i.Card == i.Now }

// itemOrder is how items are shown.
var itemOrder = []credential.Item{credential.ItemName, credential.ItemSex, credential.ItemBirth, credential.ItemNumber, credential.ItemTail, credential.ItemSchoolName,
	credential.ItemGrade, credential.ItemClass, credential.ItemStanding, credential.ItemPhoto}

// cardItems is what the register has for a card's sealed record.
func (s *Service) cardItems(p *registry.Pupil) credential.Items {
	items := credential.Items{
		credential.ItemName: p.Form[registry.FName], credential.ItemSex: p.Form[registry.FSex], credential.ItemBirth: p.Form[registry.FBirth],
		credential.ItemNumber: string(p.Number), credential.ItemSchoolName: s.dir.Load().Name(p.School), credential.ItemGrade: strconv.Itoa(p.Grade),
		credential.ItemClass: p.Class, credential.ItemStanding: string(p.Standing), credential.ItemTail: string(p.Number)[max(0, len(p.Number)-4):],
	}
	if len(p.Photo) >= 32 {
		items[credential.ItemPhoto] = p.Photo[:32]
	}
	return items
}

// readMAC binds a moment, and more, to the person who reads.
func (s *Service) readMAC(label string, who Staff, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, s.keys.derived("card-"+label))
	for _, p := range append([][]byte{[]byte(who.ID), []byte(who.Token)}, parts...) {
		m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		m.Write(p)
	}
	return m.Sum(nil)
}

// nonceAt is the nonce of a second: the second, and a MAC over it and the person, so that nothing has to be remembered.
func (s *Service) nonceAt(who Staff, at time.Time) (out [credential.NonceSize]byte) {
	binary.BigEndian.PutUint64(out[:8], uint64(at.Unix()))
	copy(out[8:], s.readMAC("nonce", who, out[:8]))
	return out
}

func (s *Service) ReadNonce(_ context.Context, who Staff) ([]byte, error) {
	if err := s.scope(who).Check(access.ReadCard); err != nil {
		return nil, err
	}
	n := s.nonceAt(who, s.now())
	return n[:], nil
}

// freshNonce takes back a nonce of ReadNonce: ok when it is who's and not too old.
func (s *Service) freshNonce(who Staff, given []byte) (nonce [credential.NonceSize]byte, at time.Time, ok bool) {
	if len(given) != len(nonce) {
		return nonce, at, false
	}
	at = time.Unix(int64(binary.BigEndian.Uint64(given)&(1<<62-1)), 0)
	nonce = s.nonceAt(who, at)
	age := s.now().Sub(at)
	return nonce, at, hmac.Equal(nonce[:], given) && age >= 0 && age <= ReadTime
}

func (s *Service) ReadCard(ctx context.Context, who Staff, card CardLaid) (CardRead, error) {
	sc := s.scope(who)
	if err := sc.Check(access.ReadCard); err != nil {
		return CardRead{}, err
	}
	v, err := s.verifier(ctx)
	if err != nil {
		return CardRead{}, err
	}
	pub, res := v.Check(card.Record, card.ChipSerial, s.now())
	out := CardRead{Verdict: string(res.Verdict)}
	if res.Verdict == credential.Forged || res.Verdict == credential.UnknownIssuer {
		return out, nil
	}
	if out.Verdict != string(credential.WrongChip) && (card.Copied == VerdictCopy || card.Copied == string(credential.WrongChip)) {
		out.Verdict = card.Copied
	}
	if out.Verdict == string(credential.WrongChip) || out.Verdict == VerdictCopy || out.Verdict == string(credential.RolledBack) {
		if err := s.copyLaid(ctx, who, out.Verdict, pub); err != nil {
			return CardRead{}, err
		}
		if out.Verdict != string(credential.RolledBack) {
			return out, nil
		}
	}
	out.Signed, out.CardNo, out.School, out.Issued, out.Expires, out.ListStale = true, pub.CardNo, registry.Unit(pub.School), pub.Issued, pub.Expires, res.ListStale
	if out.Level = s.readLevel(v, who, card, pub); pub.ChipKey != nil && out.Level < 3 {
		return CardRead{Verdict: VerdictUnproven}, nil // a copy shows as much
	}
	if res.Verdict != credential.Valid {
		return out, nil
	}
	p, err := s.st.Pupil(ctx, registry.NewUID(pub.PupilRef))
	switch {
	case isNotFound(err):
		out.Verdict = string(credential.Revoked) // there is no card without its record; nothing tells the two apart
		return out, nil
	case err != nil:
		return CardRead{}, internal(err)
	case !p.Card.Good() || p.Card.Number != pub.CardNo:
		out.Verdict = string(credential.Revoked)
		return out, nil
	case pub.Sequence > p.Card.Sequence || p.Card.ChipHash != "" && p.Card.ChipHash != digestHex(pub.ChipSerial):
		out.Verdict = string(credential.Revoked)
		return out, s.copyLaid(ctx, who, verdictUnordered, pub)
	case pub.Sequence < p.Card.Written:
		out.Verdict = string(credential.RolledBack) // what a newer record replaced
		return out, s.copyLaid(ctx, who, out.Verdict, pub)
	}
	view := sc.Pupil(&p)
	if view != access.ViewFull && view != access.ViewCard {
		return out, nil
	}
	if err := s.lookAtCard(ctx, who, card, &p); err != nil {
		return CardRead{}, err
	}
	out.Reach, out.UID, out.Name = true, p.UID, p.Form[registry.FName]
	old, err := s.onOldEpoch(ctx, pub.Epoch)
	if err != nil {
		return CardRead{}, err
	}
	out.Behind = old || pub.Sequence < p.Card.Sequence
	out.Photo = view == access.ViewFull && p.Photo != ""
	return out, s.openCard(ctx, v, who, card, pub, &p, view, &out)
}

// readLevel is what the chip proved over a nonce of ours.
func (s *Service) readLevel(v *credential.Verifier, who Staff, card CardLaid, pub credential.Public) int {
	level := min(int(pub.Level), 1)
	nonce, at, ok := s.freshNonce(who, card.Nonce)
	switch {
	case !ok:
	case pub.ChipKey != nil:
		if pub.Proves(nonce, card.Signature) {
			level = 3
		}
	case len(card.Attestation) > 0:
		a, err := v.Attested(card.Attestation, card.Record, nonce)
		if age := a.At.Sub(at); err == nil && age >= -api.MaxClockSkew && age <= ReadTime+api.MaxClockSkew {
			level = max(level, int(a.Level))
		}
	}
	return level
}

// lookAtCard records the look with its reason, once for a card that is read in two steps.
func (s *Service) lookAtCard(ctx context.Context, who Staff, card CardLaid, p *registry.Pupil) error {
	if nonce, _, ok := s.freshNonce(who, card.Nonce); ok && hmac.Equal(card.Mark, s.readMAC("mark", who, nonce[:], []byte(p.UID))) {
		return nil
	}
	g, err := s.given(ctx, who, p)
	if err != nil {
		return err
	}
	if g.Why == "" {
		if card.Why == "" {
			return fail(registry.CodeInvalid, "why", nil)
		}
		if err := s.GiveReason(ctx, who, p.UID, card.Why, card.Words); err != nil {
			return err
		}
	}
	return s.look(ctx, who, audit.Look, p, "card")
}

// openCard opens the sealed record with the register's own keys, as far as view goes, and lays the register's values beside it.
func (s *Service) openCard(ctx context.Context, v *credential.Verifier, who Staff, card CardLaid, pub credential.Public, p *registry.Pupil, view access.View, out *CardRead) error {
	keys, err := s.consoleKeys(ctx)
	if err != nil {
		return err
	}
	told, err := s.toldEpochs(ctx)
	if err != nil {
		return err
	}
	epoch, held := keys[pub.Epoch]
	switch {
	case len(told.Kept) > 0 && !slices.Contains(told.Kept, pub.Epoch):
		out.Sealed = SealedRetired
		return nil
	case !held:
		out.Sealed = SealedNoKey
		return nil
	case card.Guarded && len(card.Sealed) == 0:
		authority, _ := v.Authority(pub)
		reader := epoch.Readers[pub.Profile]
		if reader == nil || authority != epoch.Authority {
			out.Sealed = SealedNoKey
			return nil
		}
		if out.ReadKey, err = s.kinds.Of(pub.Profile, reader, pub.ChipSerial); err != nil {
			return internal(err)
		}
		nonce, _, fresh := s.freshNonce(who, card.Nonce)
		if out.Sealed = SealedGuarded; fresh {
			out.Mark = s.readMAC("mark", who, nonce[:], []byte(p.UID))
		}
		return nil
	case len(card.Sealed) == 0:
		out.Sealed = SealedUnread
		return nil
	}
	if view != access.ViewFull {
		delete(epoch.Sections, credential.SectionRegistrar)
	}
	items, err := credential.OpenItems(card.Sealed, map[uint16]credential.DeviceKeys{pub.Epoch: epoch}, pub)
	switch {
	case errors.Is(err, credential.ErrNoKey):
		out.Sealed = SealedNoKey
		return nil
	case err != nil:
		out.Sealed = SealedBroken
		return nil
	}
	out.Sealed = SealedOpen
	now := s.cardItems(p)
	for _, item := range itemOrder {
		if _, ok := epoch.Sections[item.Section()]; !ok || items[item] == "" && now[item] == "" {
			continue
		}
		if item == credential.ItemTail && items[credential.ItemNumber] != "" && now[credential.ItemNumber] != "" {
			continue // its end stands in the number itself
		}
		out.Items = append(out.Items, CardItem{item, items[item], now[item]})
		if item == credential.ItemNumber && items[item] != now[item] { // both are shown in full then
			if err := s.look(ctx, who, audit.Unmask, p, "card"); err != nil {
				return err
			}
		}
	}
	return nil
}
