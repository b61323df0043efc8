package ceremony

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

// light is a cost for tests; the real one is for a thief.
var light = cost{1, 64, 1}

func TestSeal(t *testing.T) {
	key := []byte("a private key")
	p := Passphrases{"correct horse battery", "第二保管人的口令，足够长"}
	sealed, err := seal(key, p, light)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := seal(key, p, light); err != nil || bytes.Equal(again, sealed) {
		t.Fatal("one nonce and salt for two files", err)
	}
	if n, err := holders(sealed); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if got, err := unseal(sealed, p); err != nil || !bytes.Equal(got, key) {
		t.Fatal(err)
	}
	for _, wrong := range []Passphrases{{p[1], p[0]}, {p[0]}, {p[0], p[1], "and a third one"}, {p[0] + p[1], "x"}, {p[0], p[1] + " "}, nil} {
		if _, err := unseal(sealed, wrong); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%d passphrases: %v", len(wrong), err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if s := fmt.Sprintf(verb, p); strings.Contains(s, "horse") || strings.Contains(s, fmt.Sprintf("%x", "horse")) {
			t.Errorf("%s prints passphrases", verb)
		}
	}
	// A changed header is a changed key: nothing in the clear can be turned to weaken it.
	for _, change := range [][2]string{{"Passes", "2"}, {"Memory-KiB", "65"}, {"Lanes", "2"}} {
		block, _ := pem.Decode(sealed)
		block.Headers[change[0]] = change[1]
		if _, err := unseal(pem.EncodeToMemory(block), p); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", change[0], err)
		}
	}
	block, _ := pem.Decode(sealed)
	block.Headers["Memory-KiB"] = "4294967295"
	if _, err := unseal(pem.EncodeToMemory(block), p); !errors.Is(err, ErrSealed) {
		t.Error("four terabytes of memory:", err)
	}
}

func FuzzSealed(f *testing.F) {
	sealed, err := seal([]byte("key"), Passphrases{"correct horse battery"}, light)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, c, n, err := parseSealed(b)
		if err == nil && (c.memory > maxMemory || c.passes > maxPasses || n < 1) {
			t.Fatal(c, n)
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		a := cardtest.NewAuthority(f, "330000", suite)
		b, err := NewRequest(a.Issuing, "330000", Year(cardtest.Now))
		if err != nil {
			f.Fatal(err)
		}
		if q, err := ParseRequest(b); err != nil || q.KeyID != a.Issuing.KeyID() || q.Suite != suite {
			f.Fatal(q, err)
		}
		f.Add(b)
		f.Add(a.Certificate)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := ParseRequest(b); err == nil && len(q.PublicKey) != 65 {
			t.Fatal(q)
		}
	})
}

func TestFingerprint(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.SM2)
	full := Fingerprint(credential.SM2, a.Issuing.PublicKey())
	id := a.Issuing.KeyID()
	if !strings.HasPrefix(strings.ReplaceAll(full, " ", ""), fmt.Sprintf("%x", id)) {
		t.Fatal("a fingerprint begins with the key id")
	}
	for typed, want := range map[string]bool{full: true, strings.ToUpper(full): true, full[:24]: true, strings.ReplaceAll(full, " ", "-"): true,
		full[:19]: false, "": false, "0" + full: false, full + "0": false} {
		if SameFingerprint(full, typed) != want {
			t.Errorf("%q: %v", typed, !want)
		}
	}
}

// TestYear: the year begins at midnight in Beijing and overlaps the next by ninety days, leap years included.
func TestYear(t *testing.T) {
	for from, until := range map[string]string{"2026-09-01": "2027-11-30", "2027-09-01": "2028-11-30", "2028-02-29": "2029-05-30"} {
		day, err := Day(from)
		if err != nil {
			t.Fatal(err)
		}
		v := Year(day.Add(20 * time.Hour))
		if v.From.Format(time.DateTime) != from+" 00:00:00" || v.Until.In(Zone).Format(time.DateOnly) != until || v.Until.Sub(v.From) > MaxLife {
			t.Errorf("%s: %v", from, v)
		}
	}
	if _, err := Day("1.9.2026"); err == nil {
		t.Error("1.9.2026")
	}
}

// TestTranscript: every word is there in every language, names that are hard to set stand whole.
func TestTranscript(t *testing.T) {
	for w, e := range words {
		for i, text := range e {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s has no words in language %d", w, i)
			}
		}
	}
	for _, step := range []Step{StepRoot, StepRequest, StepCertify, StepAccept, StepRetire, StepMasters} {
		for _, lang := range []Lang{Hans, Hant, En} {
			for _, w := range []Word{Word("step." + step), Word("next." + step)} {
				if lang.word(w) == string(w) {
					t.Errorf("no words for %s", w)
				}
			}
			tr := Transcript{Lang: lang, Step: step, At: cardtest.Now, Place: "机房", Program: "issuer x", Present: []string{"欧阳𬀩，信息中心", "阿依古丽·买买提，督导"},
				Facts: []Fact{{"authority", "330000"}, {"key", strings.Repeat("abcd ", 15) + "abcd"}}}
			text := tr.Text()
			for _, p := range tr.Present {
				if !strings.Contains(text, p+"  ") {
					t.Errorf("%s: %q is not there to sign", lang, p)
				}
			}
			for line := range strings.Lines(text) {
				if !strings.Contains(line, lang.word(Word("next."+step))) && columns(strings.TrimRight(line, "\n")) > 100 {
					t.Errorf("%d columns: %s", columns(line), line)
				}
			}
		}
	}
	dir := t.TempDir()
	tr := Transcript{Lang: En, Step: StepRoot, At: cardtest.Now}
	a, err := tr.Keep(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tr.Keep(dir)
	if err != nil || a == b {
		t.Fatal("a transcript was overwritten", err)
	}
}
