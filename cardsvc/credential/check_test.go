package credential_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

var suites = []credential.Suite{credential.ES256, credential.SM2}

var chip = []byte{1, 2, 3, 4, 5, 6, 7, 8}

// TestVerdicts holds every verdict to the one cause that brings it, in both suites.
func TestVerdicts(t *testing.T) {
	now := cardtest.Now
	for _, suite := range suites {
		a := cardtest.NewAuthority(t, "330000", suite)
		other := cardtest.NewAuthority(t, "340000", suite)
		v := cardtest.Verifier(t, a)
		if err := v.SetStatusList(a.StatusList(t, 2, []uint32{99}, map[uint32]uint32{50: 4})); err != nil {
			t.Fatal(err)
		}
		good, _ := a.Issue(t, chip, 3, nil)
		issue := func(change func(*credential.Public)) []byte {
			b, _ := a.Issue(t, chip, 3, change)
			return b
		}
		foreign, _ := other.Issue(t, chip, 3, nil)
		tampered := bytes.Replace(good, []byte("2133000017"), []byte("2133000018"), 1)
		for _, c := range []struct {
			name   string
			record []byte
			chip   []byte
			now    time.Time
			want   credential.Verdict
		}{
			{"good", good, chip, now, credential.Valid},
			{"suspended pupil", issue(func(p *credential.Public) { p.Status = credential.StatusSuspended }), chip, now, credential.Valid},
			{"last second", good, chip, now.AddDate(6, 0, 0).Add(-time.Second), credential.Valid},
			{"expired", good, chip, now.AddDate(6, 0, 0), credential.Expired},
			{"clock five minutes behind", issue(func(p *credential.Public) { p.Issued = now.Add(credential.ClockSkew) }), chip, now, credential.Valid},
			{"issued in the future", issue(func(p *credential.Public) { p.Issued = now.Add(credential.ClockSkew + time.Second) }), chip, now, credential.NotYet},
			{"another school written in", tampered, chip, now, credential.Forged},
			{"cut short", good[:len(good)-1], chip, now, credential.Forged},
			{"trailing byte", append(bytes.Clone(good), 0), chip, now, credential.Forged},
			{"empty", nil, chip, now, credential.Forged},
			{"signed before the certificate", issue(func(p *credential.Public) { p.Issued = now.AddDate(-1, 0, -1) }), chip, now, credential.Forged},
			{"another authority", foreign, chip, now, credential.UnknownIssuer},
			{"copied to another chip", good, []byte{8, 7, 6, 5, 4, 3, 2, 1}, now, credential.WrongChip},
			{"no chip serial", good, nil, now, credential.WrongChip},
			{"on the list", issue(func(p *credential.Public) { p.StatusIdx = 99 }), chip, now, credential.Revoked},
			{"ended", issue(func(p *credential.Public) { p.Status = credential.StatusEnded }), chip, now, credential.Revoked},
			{"rolled back", issue(func(p *credential.Public) { p.StatusIdx = 50 }), chip, now, credential.RolledBack},
			{"past the end of the list", issue(func(p *credential.Public) { p.StatusIdx = 1<<26 - 1 }), chip, now, credential.Valid},
			{"a certificate for a record", a.Certificate, chip, now, credential.Forged},
			{"a status list for a record", a.StatusList(t, 3, nil, nil), chip, now, credential.Forged},
		} {
			if _, r := v.Check(c.record, c.chip, c.now); r.Verdict != c.want {
				t.Errorf("%s, %s: %s, want %s", suite, c.name, r.Verdict, c.want)
			}
		}
		if _, r := v.CheckRecord(good, now); r.Verdict != credential.Valid {
			t.Errorf("%s: a record without its chip: %s", suite, r.Verdict)
		}
		if _, r := v.Check(good, chip, now.AddDate(0, 0, 6)); r.ListStale {
			t.Error("a list of this week called stale")
		}
		if _, r := v.Check(good, chip, now.AddDate(0, 0, 7)); !r.ListStale || r.Verdict != credential.Valid {
			t.Error("a list past its date not called stale")
		}
	}
}

// TestTrust: what may be set, and what leaves everything as it was.
func TestTrust(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	b := cardtest.NewAuthority(t, "340000", credential.SM2)
	good, _ := a.Issue(t, chip, 1, nil)

	bare := credential.NewVerifier([]credential.Root{a.Pinned()})
	if _, r := bare.Check(good, chip, cardtest.Now); r.Verdict != credential.UnknownIssuer || !r.ListStale {
		t.Fatal("a root alone does not vouch for a card", r)
	}
	if err := bare.SetStatusList(a.StatusList(t, 1, nil, nil)); !errors.Is(err, credential.ErrUntrusted) {
		t.Fatal("a list without its certificate:", err)
	}
	// All or nothing.
	if err := bare.SetCertificates([][]byte{a.Certificate, b.Certificate}); !errors.Is(err, credential.ErrUntrusted) {
		t.Fatal("another province's certificate:", err)
	}
	if _, r := bare.Check(good, chip, cardtest.Now); r.Verdict != credential.UnknownIssuer {
		t.Fatal("half of the certificates were taken")
	}
	if err := bare.SetCertificates([][]byte{a.Certificate}); err != nil {
		t.Fatal(err)
	}
	// A root may vouch for its own authority only.
	stray, err := credential.SignCertificate(credential.Certificate{
		Suite: credential.SM2, PublicKey: b.Issuing.PublicKey(), Authority: "340000", NotBefore: cardtest.Now, NotAfter: cardtest.Now.AddDate(1, 0, 0),
	}, a.Root)
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.SetCertificates([][]byte{stray}); !errors.Is(err, credential.ErrUntrusted) {
		t.Fatal("a root vouched for another province:", err)
	}
	forged := bytes.Clone(a.Certificate)
	forged[len(forged)-1] ^= 1
	if err := bare.SetCertificates([][]byte{forged}); !errors.Is(err, credential.ErrSignature) {
		t.Fatal("a forged certificate:", err)
	}

	// Numbers only go up; the same list is welcome again; another of the same number is not.
	v := cardtest.Verifier(t, a)
	five := a.StatusList(t, 5, []uint32{17}, nil)
	for _, step := range []struct {
		name string
		list []byte
		want error
	}{
		{"5", five, nil},
		{"5 again", five, nil},
		{"another 5", a.StatusList(t, 5, nil, nil), credential.ErrOlderList},
		{"4", a.StatusList(t, 4, nil, nil), credential.ErrOlderList},
		{"another province's", b.StatusList(t, 6, nil, nil), credential.ErrUntrusted},
		{"6, changed", append(bytes.Clone(a.StatusList(t, 6, nil, nil))[:100], five[100:]...), credential.ErrFormat},
		{"a record", good, credential.ErrFormat},
	} {
		err := v.SetStatusList(step.list)
		if step.want == nil && err != nil || step.want != nil && err == nil {
			t.Errorf("list %s: %v", step.name, err)
		}
		if step.want != nil && !errors.Is(err, step.want) && !errors.Is(err, credential.ErrSignature) {
			t.Errorf("list %s: %v, want %v", step.name, err, step.want)
		}
		if n, _ := v.ListState(); n != 5 {
			t.Fatalf("after list %s number %d is held", step.name, n)
		}
	}
	if _, r := v.Check(good, chip, cardtest.Now); r.Verdict != credential.Revoked {
		t.Fatal("index 17 is on list 5:", r.Verdict)
	}
	if err := v.SetStatusList(a.StatusList(t, 6, nil, nil)); err != nil {
		t.Fatal(err)
	}
	if _, r := v.Check(good, chip, cardtest.Now); r.Verdict != credential.Valid {
		t.Fatal("list 6 freed index 17:", r.Verdict)
	}
}

// TestRoundTrip: any record and items inside the bounds come back the same and fit the slot, or are refused as too large.
func TestRoundTrip(t *testing.T) {
	authorities := map[credential.Suite]*cardtest.Authority{}
	for _, s := range suites {
		authorities[s] = cardtest.NewAuthority(t, "330000", s)
	}
	text := rapid.StringOfN(rapid.RuneFrom([]rune("欧阳𬀩阿依古丽·买提G0123X班")), 0, 30, 120)
	rapid.Check(t, func(t *rapid.T) {
		a := authorities[rapid.SampledFrom(suites).Draw(t, "suite")]
		items := credential.Items{}
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 23), 0, 12, rapid.ID).Draw(t, "items") {
			items[credential.Item(n)] = text.Draw(t, "text")
		}
		issued := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "issued"), 0).UTC()
		p := credential.Public{
			CardNo: rapid.StringMatching(`[!-~]{1,24}`).Draw(t, "card"), School: rapid.StringMatching(`[0-9]{10}`).Draw(t, "school"),
			Status: credential.Status(rapid.IntRange(1, 3).Draw(t, "status")), Sequence: rapid.Uint32Min(1).Draw(t, "seq"),
			Issued: issued, Expires: issued.Add(time.Duration(rapid.IntRange(1, 1<<30).Draw(t, "life")) * time.Second),
			StatusIdx: rapid.Uint32Max(1<<26-1).Draw(t, "idx"), Profile: rapid.StringMatching(`[a-z0-9-]{1,16}`).Draw(t, "profile"),
			Level: uint8(rapid.IntRange(0, 3).Draw(t, "level")), ChipSerial: rapid.SliceOfN(rapid.Byte(), 4, 16).Draw(t, "chip"), Epoch: a.Reading.Epoch,
		}
		copy(p.PupilRef[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ref"))
		sealed, digests, err := credential.SealItems(items, a.Reading, p.CardNo, p.Sequence, cardtest.Deterministic("rapid"))
		if errors.Is(err, credential.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Digests = digests
		record, err := p.Sign(a.Issuing)
		if err != nil {
			t.Fatal(err)
		}
		if len(record) > credential.MaxRecord || len(sealed) > credential.MaxSealed {
			t.Fatalf("%d and %d bytes do not fit the slot", len(record), len(sealed))
		}
		got, err := credential.Decode(record)
		if err != nil {
			t.Fatal(err)
		}
		p.KeyID, p.Suite = a.Issuing.KeyID(), a.Issuing.Suite()
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", p) {
			t.Fatalf("\n%+v\n%+v", got, p)
		}
		back, err := credential.OpenItems(sealed, a.Keys(), got)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(items) {
			t.Fatal(back, err)
		}
		// Beside another record of the same card it does not open.
		got.Sequence++
		if _, err := credential.OpenItems(sealed, a.Keys(), got); !errors.Is(err, credential.ErrSealed) {
			t.Fatal("sealed record opened beside another sequence:", err)
		}
	})
}

// TestSealed: who may open, and what is noticed.
func TestSealed(t *testing.T) {
	for _, suite := range suites {
		a := cardtest.NewAuthority(t, "330000", suite)
		record, sealed := a.Issue(t, chip, 1, nil)
		p, err := credential.Decode(record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := credential.OpenItems(sealed, nil, p); !errors.Is(err, credential.ErrNoKey) {
			t.Error("without the key:", err)
		}
		wrong := *a
		wrong.Reading.Key = bytes.Repeat([]byte{1}, len(a.Reading.Key))
		if _, err := credential.OpenItems(sealed, wrong.Keys(), p); !errors.Is(err, credential.ErrSealed) {
			t.Error("with another key:", err)
		}
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 0x10
			if _, err := credential.OpenItems(bad, a.Keys(), p); err == nil {
				t.Fatalf("byte %d changed and not noticed", i)
			}
		}
		for change, digests := range map[string]map[credential.Item][16]byte{
			"one digest other": func() map[credential.Item][16]byte {
				d := map[credential.Item][16]byte{}
				for k, v := range p.Digests {
					d[k] = v
				}
				d[credential.ItemName] = [16]byte{}
				return d
			}(),
			"one digest missing": func() map[credential.Item][16]byte {
				d := map[credential.Item][16]byte{}
				for k, v := range p.Digests {
					if k != credential.ItemName {
						d[k] = v
					}
				}
				return d
			}(),
		} {
			q := p
			q.Digests = digests
			if _, err := credential.OpenItems(sealed, a.Keys(), q); !errors.Is(err, credential.ErrDigest) {
				t.Error(change, err)
			}
		}
		if e, err := credential.EpochOf(sealed); err != nil || e != 1 {
			t.Error("epoch", e, err)
		}
		_, _, err = credential.SealItems(credential.Items{1: strings.Repeat("中", 40), 2: strings.Repeat("中", 40), 3: strings.Repeat("中", 40), 4: strings.Repeat("中", 40)},
			a.Reading, "1", 1, cardtest.Deterministic("x"))
		if !errors.Is(err, credential.ErrTooLarge) {
			t.Error("480 bytes of text in a slot:", err)
		}
		_, _, err = credential.SealItems(credential.Items{1: strings.Repeat("中", 41)}, a.Reading, "1", 1, cardtest.Deterministic("x"))
		if !errors.Is(err, credential.ErrValue) {
			t.Error("an item of 123 bytes:", err)
		}
		if len(sealed) > credential.MaxSealed || len(record) > credential.MaxRecord {
			t.Error("sizes")
		}
	}
}

// TestLongNamesFit: thirty characters above U+FFFF (120 bytes) with everything else at its usual length.
func TestLongNamesFit(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.SM2)
	items := cardtest.Items()
	items[credential.ItemName] = strings.Repeat("𬀩", 30)
	items[credential.ItemSchoolName] = strings.Repeat("学", 40)
	sealed, _, err := credential.SealItems(items, a.Reading, "330000000000017", 1, cardtest.Deterministic("x"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d bytes", len(sealed), credential.MaxSealed)
}

// TestRefusedValues: what the format cannot carry is named, and its value is not.
func TestRefusedValues(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	for field, change := range map[string]func(*credential.Public){
		"card number": func(p *credential.Public) { p.CardNo = "欧阳" },
		"school":      func(p *credential.Public) { p.School = "12345" },
		"status":      func(p *credential.Public) { p.Status = 4 },
		"sequence":    func(p *credential.Public) { p.Sequence = 0 },
		"expires":     func(p *credential.Public) { p.Expires = p.Issued },
		"issued":      func(p *credential.Public) { p.Issued = time.Unix(-1, 0) },
		"index":       func(p *credential.Public) { p.StatusIdx = 1 << 26 },
		"profile":     func(p *credential.Public) { p.Profile = "FMCOS" },
		"level":       func(p *credential.Public) { p.Level = 4 },
		"chip":        func(p *credential.Public) { p.ChipSerial = []byte{1, 2, 3} },
		"digests":     func(p *credential.Public) { p.Digests = map[credential.Item][16]byte{24: {}} },
		"seconds":     func(p *credential.Public) { p.Issued = p.Issued.Add(time.Millisecond) },
	} {
		p := cardtest.Public(chip, 1)
		change(&p)
		_, err := p.Sign(a.Issuing)
		if !errors.Is(err, credential.ErrValue) || !strings.Contains(err.Error(), field) && field != "index" && field != "seconds" {
			t.Errorf("%s: %v", field, err)
		}
		if err != nil && (strings.Contains(err.Error(), "欧阳") || strings.Contains(err.Error(), "12345")) {
			t.Errorf("%s: the error carries the value", field)
		}
	}
}

// TestSecretsDoNotPrint tries every way a key could end in a log.
func TestSecretsDoNotPrint(t *testing.T) {
	for _, suite := range suites {
		a := cardtest.NewAuthority(t, "330000", suite)
		der, err := a.Issuing.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		again, err := credential.ParsePrivateKey(der)
		if err != nil || again.KeyID() != a.Issuing.KeyID() || again.Suite() != suite {
			t.Fatal("private key does not come back", err)
		}
		secretHex := fmt.Sprintf("%x", []byte(a.Reading.Key))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			for _, v := range []any{a.Issuing, a.Reading, a.Reading.Key, a.Keys(), *a.Issuing} {
				out := strings.ToLower(fmt.Sprintf(verb, v))
				if strings.Contains(out, secretHex) || strings.Contains(out, fmt.Sprint([]byte(a.Reading.Key))) {
					t.Errorf("%T with %s prints the reading key", v, verb)
				}
			}
			if out := fmt.Sprintf(verb, a.Issuing); out != "[private key]" {
				t.Errorf("%s prints %q", verb, out)
			}
		}
		for _, v := range []any{a.Issuing, a.Reading, a.Keys()} {
			if b, err := json.Marshal(v); err == nil {
				t.Errorf("%T as JSON: %s", v, b)
			}
		}
	}
}

// TestReadingKeyTravels to the device it was sealed to and to no other.
func TestReadingKeyTravels(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.SM2)
	mine, others := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 32)
	desk := a.KeysOf(credential.SectionDesk)[1]
	sealed, err := credential.SealKeys(x25519Public(t, mine), desk, cardtest.Deterministic("travel"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := credential.OpenKeys(mine, sealed)
	if err != nil || k.Epoch != a.Reading.Epoch || k.Suite != a.Reading.Suite || !reflect.DeepEqual(k, desk) {
		t.Fatal(err)
	}
	if _, err := credential.OpenKeys(others, sealed); !errors.Is(err, credential.ErrSealed) {
		t.Error("another device:", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := credential.OpenKeys(mine, bad); err == nil && i != 31 { // X25519 ignores the top bit only; bit 0 of byte 31 counts
			t.Fatalf("byte %d changed and not noticed", i)
		}
	}
	// With what opens guarded cards, and not in any other form.
	desk.Authority, desk.Readers = "330000", map[string]credential.Secret{"fmcos": bytes.Repeat([]byte{1}, 16), "xueji-soft": bytes.Repeat([]byte{2}, 16)}
	sealed, err = credential.SealKeys(x25519Public(t, mine), desk, cardtest.Deterministic("travel"))
	if err != nil {
		t.Fatal(err)
	}
	if k, err = credential.OpenKeys(mine, sealed); err != nil || !reflect.DeepEqual(k, desk) {
		t.Fatal("readers' keys", err)
	}
	many := map[string]credential.Secret{}
	for i := range credential.MaxReaders {
		many[fmt.Sprintf("a-profile-name%02d", i)] = bytes.Repeat([]byte{3}, 16)
	}
	full := desk
	full.Readers = many
	if sealed, err = credential.SealKeys(x25519Public(t, mine), full, cardtest.Deterministic("travel")); err != nil {
		t.Fatal(err)
	}
	if _, err := credential.OpenKeys(mine, sealed); err != nil {
		t.Fatal("as many as there may be:", err)
	}
	many["one-more"] = bytes.Repeat([]byte{3}, 16)
	for what, bad := range map[string]credential.DeviceKeys{
		"too many":     full,
		"no authority": {Epoch: 1, Suite: desk.Suite, Sections: desk.Sections, Readers: desk.Readers},
		"no keys":      {Epoch: 1, Suite: desk.Suite, Sections: desk.Sections, Authority: "330000"},
		"short":        {Epoch: 1, Suite: desk.Suite, Sections: desk.Sections, Authority: "330000", Readers: map[string]credential.Secret{"fmcos": {1}}},
		"no profile":   {Epoch: 1, Suite: desk.Suite, Sections: desk.Sections, Authority: "330000", Readers: map[string]credential.Secret{"": bytes.Repeat([]byte{1}, 16)}},
	} {
		if _, err := credential.SealKeys(x25519Public(t, mine), bad, cardtest.Deterministic("bad")); !errors.Is(err, credential.ErrValue) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := credential.SealKeys(make([]byte, 32), desk, cardtest.Deterministic("weak")); err == nil {
		t.Error("sealed to a point of small order")
	}
}

// TestStatusListSizes prints what a list costs, and holds the decoder to its bounds.
func TestStatusListSizes(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	for _, cards := range []uint32{1_000_000, 10_000_000} {
		var revoked []uint32
		dice := rand.New(rand.NewPCG(1, 2))
		for i := uint32(0); i < cards; i += 1 + uint32(dice.ExpFloat64()*99.5) { // about 1 %, at random
			revoked = append(revoked, i)
		}
		b := a.StatusList(t, 1, revoked, nil)
		l, err := credential.DecodeStatusList(b)
		if err != nil || len(l.Revoked) != len(revoked) || l.Revoked[len(revoked)-1] != revoked[len(revoked)-1] {
			t.Fatal(err)
		}
		t.Logf("%d cards, %d revoked: %d bytes", cards, len(revoked), len(b))
	}
	if _, err := credential.SignStatusList(credential.StatusList{
		Authority: "330000", Issued: cardtest.Now, Expires: cardtest.Now.Add(time.Hour), Revoked: []uint32{1 << 26},
	}, a.Issuing); !errors.Is(err, credential.ErrValue) {
		t.Error("an index past the bound:", err)
	}
}
