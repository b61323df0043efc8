package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/issuer/internal/ceremony"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/custody/token/tokentest"
)

func TestMain(m *testing.M) { tokentest.Main(m) }

// stage is a ceremony: two machines' folders, a clock, and people who type passphrases.
type stage struct {
	t     *testing.T
	dir   string
	now   time.Time
	typed []string
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, dir: t.TempDir(), now: time.Date(2026, 8, 20, 1, 0, 0, 0, time.UTC)}
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) run(args ...string) (string, error) {
	var out bytes.Buffer
	err := runWith(append([]string{"ceremony"}, args...), &out, io.Discard, terminal{ctx: context.Background(), now: func() time.Time { return s.now },
		listen: func(string) {}, secret: func(string) (string, error) {
			if len(s.typed) == 0 {
				return "", errors.New("nobody types")
			}
			line := s.typed[0]
			s.typed = s.typed[1:]
			return line, nil
		}})
	return out.String(), err
}

// must runs a step with two people present and returns its output.
func (s *stage) must(step string, args ...string) string {
	s.t.Helper()
	out, err := s.run(append([]string{step, "--present", "欧阳𬀩，省教育厅信息中心", "--present", "阿依古丽·买买提，督导", "--place", "三楼机房，离线机"}, args...)...)
	if err != nil {
		s.t.Fatalf("%s: %v", step, err)
	}
	return out
}

// refuse wants the step to fail with words.
func (s *stage) refuse(words, step string, args ...string) {
	s.t.Helper()
	_, err := s.run(append([]string{step, "--present", "甲，信息中心", "--present", "乙，督导", "--place", "机房"}, args...)...)
	if err == nil || !strings.Contains(err.Error(), words) {
		s.t.Fatalf("%s: %v, want %q", step, err, words)
	}
}

var print = regexp.MustCompile(`(?m)([0-9a-f]{4} ){15}[0-9a-f]{4}`)

// fingerprint takes the one after a label out of a transcript, as a person reads it.
func (s *stage) fingerprint(transcript, label string) string {
	s.t.Helper()
	_, rest, ok := strings.Cut(transcript, label)
	if !ok {
		s.t.Fatalf("no %s in\n%s", label, transcript)
	}
	return print.FindString(rest)
}

const (
	holder1 = "correct horse battery staple"
	holder2 = "第二保管人的口令，足够长"
)

// year makes, certifies and installs an issuing key, and returns the certificate's path.
func (s *stage) year(name, from string, more ...string) {
	s.t.Helper()
	req, cert := s.path(name+".request"), s.path(name+".cert")
	asked := s.must("request", append([]string{"--dir", s.path("issuer"), "--authority", "330000", "--from", from, "--out", req}, more...)...)
	s.typed = []string{holder1, holder2}
	s.must("certify", "--root", s.path("root"), "--request", req, "--fingerprint", s.fingerprint(asked, "发卡公钥指纹")[:24], "--out", cert)
	args := []string{"--dir", s.path("issuer"), "--certificate", cert}
	if _, err := os.Stat(filepath.Join(s.path("issuer"), custody.FileRoots)); err != nil {
		root, err := os.ReadFile(filepath.Join(s.path("root"), ceremony.FileRoots))
		if err != nil {
			s.t.Fatal(err)
		}
		all, err := credential.DecodeRoots(root)
		if err != nil {
			s.t.Fatal(err)
		}
		args = append(args, "--roots", filepath.Join(s.path("root"), ceremony.FileRoots), "--fingerprint", ceremony.Fingerprint(all[0].Suite, all[0].PublicKey))
	}
	s.must("accept", args...)
}

// card signs a record today and judges it with all that a kiosk holds which last had trust at fetched.
func (s *stage) card() []byte {
	s.t.Helper()
	v, err := custody.OpenAt(s.path("issuer"), func() time.Time { return s.now })
	if err != nil {
		s.t.Fatal(err)
	}
	defer v.Close()
	record, err := credential.Public{CardNo: "C1", School: "2133000017", Status: credential.StatusActive, Sequence: 1, Issued: s.now, Expires: s.now.AddDate(6, 0, 0),
		Profile: "x", Level: 1, ChipSerial: []byte{1, 2, 3, 4}, Epoch: 1}.Sign(v.Signer())
	if err != nil {
		s.t.Fatal(err)
	}
	ver, err := v.Verifier()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, r := ver.Check(record, []byte{1, 2, 3, 4}, s.now); r.Verdict != credential.Valid {
		s.t.Fatalf("a card of %s: %s", s.now.Format(time.DateOnly), r.Verdict)
	}
	return record
}

// TestCeremony is three years of a province: root, a key a year that overlaps the next, in folder and token, retirement; a card of the first year verifies to the end.
func TestCeremony(t *testing.T) {
	for _, c := range []struct {
		name  string
		token bool
	}{{"keys in the folder", false}, {"keys in a token", true}} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			var where, rootWhere []string
			if c.token {
				where = []string{"--token", tokentest.New(t).String()}
				rootWhere = []string{"--token", tokentest.New(t).String()}
			}
			s.typed = []string{holder1, holder1, holder2, holder2}
			out := s.must("root", append([]string{"--dir", s.path("root"), "--authority", "330000"}, rootWhere...)...)
			for _, want := range []string{"学生卡密钥仪式记录", "欧阳𬀩", "阿依古丽·买买提", "2026-08-20 09:00:00", "三楼机房", "roots.cbor"} {
				if !strings.Contains(out, want) {
					t.Errorf("the transcript lacks %q:\n%s", want, out)
				}
			}
			if _, err := custody.Open(s.path("issuer")); err == nil {
				t.Fatal("an issuer before its first key")
			}
			s.year("2026", "2026-08-20", where...)
			first := s.card()

			s.now = time.Date(2027, 8, 1, 1, 0, 0, 0, time.UTC)
			s.year("2027", "2027-09-01", where...)
			p1, err := credential.Decode(first)
			if err != nil {
				t.Fatal(err)
			}
			if p, _ := credential.Decode(s.card()); p.KeyID != p1.KeyID {
				t.Fatal("the next year's key signs before its year")
			}
			out, err = s.run("status", "--dir", s.path("issuer"))
			if err != nil || !strings.Contains(out, "signs") || !strings.Contains(out, "coming") || !strings.Contains(out, "the next key is due on 2028-09-01") {
				t.Fatalf("%v\n%s", err, out)
			}
			s.now = time.Date(2027, 9, 2, 1, 0, 0, 0, time.UTC) // both valid: the newer signs
			if p, _ := credential.Decode(s.card()); p.KeyID == p1.KeyID {
				t.Fatal("the old key signs on beside the new one")
			}
			key1 := fmt.Sprintf("%x", p1.KeyID)
			s.refuse("a key in use is not destroyed", "retire", "--dir", s.path("issuer"), "--key", key1)

			s.now = time.Date(2027, 12, 1, 1, 0, 0, 0, time.UTC)
			s.must("retire", "--dir", s.path("issuer"), "--key", key1)
			s.must("retire", "--dir", s.path("issuer"), "--key", key1) // again: nothing to do
			s.card()
			v, err := custody.OpenAt(s.path("issuer"), func() time.Time { return s.now })
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			ver, err := v.Verifier()
			if err != nil {
				t.Fatal(err)
			}
			if _, r := ver.Check(first, []byte{1, 2, 3, 4}, s.now); r.Verdict != credential.Valid {
				t.Fatal("a card of the retired key:", r.Verdict)
			}
			if left, _ := filepath.Glob(filepath.Join(s.path("issuer"), "issuing-"+key1+".key")); len(left) > 0 {
				t.Fatal("the retired key is still there")
			}

			// Nobody made the third year's key: no card can be made, and the reason is told before anything is written.
			s.now = time.Date(2029, 1, 1, 1, 0, 0, 0, time.UTC)
			late, err := custody.OpenAt(s.path("issuer"), func() time.Time { return s.now })
			if err != nil {
				t.Fatal(err)
			}
			defer late.Close()
			if _, err := late.Signer().Sign([]byte("x")); !errors.Is(err, custody.ErrNoCertificate) {
				t.Fatal(err)
			}
			// And the gap is not overlooked by the next ceremony.
			req := s.path("2029.request")
			asked := s.must("request", append([]string{"--dir", s.path("issuer"), "--out", req}, where...)...)
			print := s.fingerprint(asked, "发卡公钥指纹")
			s.refuse("days without a valid issuing key", "certify", "--root", s.path("root"), "--request", req, "--fingerprint", print, "--out", s.path("2029.cert"))
			s.typed = []string{holder1, holder2}
			s.must("certify", "--root", s.path("root"), "--request", req, "--fingerprint", print, "--out", s.path("2029.cert"), "--allow-gap")
			s.refuse("certified before", "certify", "--root", s.path("root"), "--request", req, "--fingerprint", print, "--out", s.path("again.cert"))
			s.must("accept", "--dir", s.path("issuer"), "--certificate", s.path("2029.cert"))
			s.card()
			if n, _ := filepath.Glob(filepath.Join(s.path("issuer"), "transcripts", "*.txt")); len(n) != 8 {
				t.Errorf("%d transcripts on the issuing machine, 8 steps were taken", len(n))
			}
		})
	}
}

// TestCeremonyRefuses: what must not happen in such a room.
func TestCeremonyRefuses(t *testing.T) {
	s := newStage(t)
	if _, err := s.run("root", "--dir", s.path("root"), "--authority", "330000", "--present", "甲，信息中心", "--place", "机房"); !errors.Is(err, ceremony.ErrPresent) {
		t.Fatal("alone with the root:", err)
	}
	if _, err := s.run("root", "--dir", s.path("root"), "--authority", "330000", "--present", "甲", "--present", "甲", "--place", "机房"); !errors.Is(err, ceremony.ErrPresent) {
		t.Fatal("one person named twice:", err)
	}
	s.typed = []string{holder1, holder1 + "x"}
	s.refuse("not alike", "root", "--dir", s.path("root"), "--authority", "330000")
	s.typed = []string{"short", "short", holder2, holder2}
	s.refuse("at least 12 characters", "root", "--dir", s.path("root"), "--authority", "330000")
	s.typed = []string{holder1, holder1, holder1, holder1}
	s.refuse("each holder another one", "root", "--dir", s.path("root"), "--authority", "330000")
	if _, err := os.Stat(filepath.Join(s.path("root"), "root.json")); err == nil {
		t.Fatal("a root was made all the same")
	}
	s.typed = []string{holder1, holder1, holder2, holder2}
	s.must("root", "--dir", s.path("root"), "--authority", "330000")
	s.typed = []string{holder1, holder1, holder2, holder2}
	s.refuse("never overwritten", "root", "--dir", s.path("root"), "--authority", "330000")

	req := s.path("a.request")
	s.refuse("say its province", "request", "--dir", s.path("issuer"), "--out", req)
	asked := s.must("request", "--dir", s.path("issuer"), "--authority", "330000", "--out", req)
	fp := s.fingerprint(asked, "发卡公钥指纹")
	cert := s.path("a.cert")
	out := s.must("certify", "--root", s.path("root"), "--request", req, "--out", cert)
	if !strings.Contains(out, "Nothing was signed") || strings.Contains(out, fp[:9]) {
		t.Fatalf("the fingerprint must come from paper, not from this screen:\n%s", out)
	}
	s.refuse("Nothing was signed", "certify", "--root", s.path("root"), "--request", req, "--fingerprint", "0000 0000 0000 0000 0000", "--out", cert)
	s.refuse("Nothing was signed", "certify", "--root", s.path("root"), "--request", req, "--fingerprint", fp[:19], "--out", cert) // four groups
	s.typed = []string{holder2, holder1}
	s.refuse("another order", "certify", "--root", s.path("root"), "--request", req, "--fingerprint", fp, "--out", cert)

	other := s.path("b.request")
	s.must("request", "--dir", s.path("other"), "--authority", "110000", "--out", other)
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ceremony.ParseRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	s.refuse("this root is 330000", "certify", "--root", s.path("root"), "--request", other, "--fingerprint", ceremony.Fingerprint(q.Suite, q.PublicKey), "--out", cert)

	s.typed = []string{holder1, holder2}
	s.must("certify", "--root", s.path("root"), "--request", req, "--fingerprint", fp, "--out", cert)
	s.refuse("knows no root yet", "accept", "--dir", s.path("issuer"), "--certificate", cert)
	roots := filepath.Join(s.path("root"), ceremony.FileRoots)
	s.refuse("the root's fingerprint", "accept", "--dir", s.path("issuer"), "--certificate", cert, "--roots", roots)
	s.refuse("no key of this folder waits", "accept", "--dir", s.path("other"), "--certificate", cert)
	b, err = os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.ParseRequest(b); !errors.Is(err, ceremony.ErrRequest) {
		t.Fatal("a certificate as a request:", err)
	}
}

// TestEpochs: a new epoch and the end of an old one, each with its transcript; no key is printed.
func TestEpochs(t *testing.T) {
	s := newStage(t)
	dir := s.path("issuer")
	if err := custody.Init(dir, "330000", credential.SM2, s.now); err != nil {
		t.Fatal(err)
	}
	s.refuse("the newest", "retire-epoch", "--dir", dir, "--epoch", "1")
	if out := s.must("epoch", "--dir", dir); !strings.Contains(out, "密钥期：2") || !strings.Contains(out, "保留的密钥期：1, 2") || !strings.Contains(out, "重新启动发卡程序") {
		t.Fatal(out)
	}
	out, err := s.run("status", "--dir", dir)
	if err != nil || !strings.Contains(out, "epochs kept: 1, 2; new cards are made on 2") {
		t.Fatal(out, err)
	}
	v, err := custody.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if k := v.ReadingKey(); k.Epoch != 2 || len(v.ReadingKeys()) != 2 {
		t.Fatal(k.Epoch)
	}
	first := v.ReadingKeys()[0].Key
	v.Close()
	if _, err := s.run("epoch", "--dir", dir, "--place", "x"); err == nil {
		t.Fatal("an epoch without witnesses")
	}
	if out := s.must("retire-epoch", "--dir", dir, "--epoch", "1", "--lang", "en"); !strings.Contains(out, "Epoch: 1") || !strings.Contains(out, "Epochs kept: 2") {
		t.Fatal(out)
	}
	s.refuse("no epoch 1", "retire-epoch", "--dir", dir, "--epoch", "1")
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || bytes.Contains(b, first) || bytes.Contains(b, []byte(fmt.Sprintf("%x", []byte(first)))) || strings.Contains(filepath.Base(path), "reading-0001") {
			t.Errorf("%s: the destroyed key is there, %v", path, err)
		}
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), "reading-") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", e.Name(), info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMastersIntoToken: cards that were made under the file's master keys go on working when the keys lie in the token, and the file does not have them any more.
func TestMastersIntoToken(t *testing.T) {
	s := newStage(t)
	dir := s.path("issuer")
	if err := custody.Init(dir, "330000", credential.ES256, s.now); err != nil {
		t.Fatal(err)
	}
	uses := []custody.KeyUse{{Profile: "fmcos", Cipher: "3des", Purpose: "write", Diversifier: []byte{1, 2, 3, 4}},
		{Profile: "xueji-soft", Cipher: "aes", Purpose: "check", Diversifier: []byte{5, 6, 7}}, {Profile: "fmcos-sm4", Cipher: "sm4", Purpose: "line", Diversifier: []byte{8}}}
	before, err := custody.OpenMasters(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, custody.FileMasters))
	if err != nil {
		t.Fatal(err)
	}
	readersFile, err := os.ReadFile(filepath.Join(dir, custody.FileReaders))
	if err != nil {
		t.Fatal(err)
	}
	sameReaders := func(m *custody.Masters) {
		t.Helper()
		for _, cipher := range []string{"3des", "aes", "sm4"} {
			a, err := before.Reader("p", cipher)
			if err != nil {
				t.Fatal(err)
			}
			chip := custody.KeyUse{Profile: "p", Cipher: cipher, Purpose: "read", Diversifier: []byte{9}, Generation: 7} // of any
			key, err := before.Derive(chip)
			if err != nil || key.Equal(a) {
				t.Fatal(err)
			}
			if b, err := m.Reader("p", cipher); err != nil || !a.Equal(b) {
				t.Errorf("%s: another reader's key: %v", cipher, err)
			}
			if b, err := m.Derive(chip); err != nil || !key.Equal(b) {
				t.Errorf("%s: another reading key of the chip: %v", cipher, err)
			}
			if other, err := m.Reader("q", cipher); err != nil || other.Equal(a) {
				t.Errorf("%s: one reader's key for two profiles: %v", cipher, err)
			}
		}
	}
	sameReaders(before)
	uri := tokentest.New(t).String()
	out := s.must("masters", "--dir", dir, "--token", uri)
	if !strings.Contains(out, "已移入的主密钥：aes") || strings.Contains(out, "pin-source") {
		t.Fatal(out)
	}
	after, err := custody.OpenMasters(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	for _, u := range uses {
		a, err := before.Derive(u)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := after.Derive(u); err != nil || !a.Equal(b) {
			t.Errorf("%s: another key: %v", u.Cipher, err)
		}
	}
	wiped, err := os.ReadFile(filepath.Join(dir, custody.FileMasters))
	if err != nil || bytes.Equal(wiped, file) || len(wiped) != len(file) {
		t.Fatal("the file is as it was", err)
	}
	sameReaders(after)
	if wiped, err := os.ReadFile(filepath.Join(dir, custody.FileReaders)); err != nil || bytes.Equal(wiped, readersFile) || len(wiped) != len(readersFile) {
		t.Fatal("the readers' file is as it was", err)
	}
	if v, err := custody.Open(dir); err != nil {
		t.Fatal(err)
	} else {
		v.Close()
	}
	s.refuse("in a token already", "masters", "--dir", dir, "--token", uri)

	// The next generation: other keys, the old ones stay; into the same token too; and the old one destroyed.
	if out := s.must("masters", "--dir", dir, "--next"); !strings.Contains(out, "主密钥代：2") || !strings.Contains(out, "保留的主密钥代：1, 2") {
		t.Fatal(out)
	}
	s.must("masters", "--dir", dir, "--token", uri)
	both, err := custody.OpenMasters(dir)
	if err != nil || both.Newest() != 2 {
		t.Fatal(err)
	}
	for _, u := range uses {
		a, err := before.Derive(u)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := both.Derive(u); err != nil || a.Equal(b) {
			t.Errorf("%s: the newest generation has the keys of the first: %v", u.Cipher, err)
		}
		u.Generation = 1
		if b, err := both.Derive(u); err != nil || !a.Equal(b) {
			t.Errorf("%s: the first generation is another: %v", u.Cipher, err)
		}
	}
	sameReaders(both)
	both.Close()
	s.refuse("the newest", "masters", "--dir", dir, "--retire", "2")
	if out, err := s.run("status", "--dir", dir); err != nil || !strings.Contains(out, "generation 2: on 0 chips") {
		t.Fatal(out, err)
	}
	if out := s.must("masters", "--dir", dir, "--retire", "1"); !strings.Contains(out, "保留的主密钥代：2") {
		t.Fatal(out)
	}
	left, err := custody.OpenMasters(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	if _, err := left.Derive(custody.KeyUse{Profile: "fmcos", Cipher: "3des", Purpose: "write", Diversifier: []byte{1}, Generation: 1}); !errors.Is(err, custody.ErrGeneration) {
		t.Fatal("a destroyed generation:", err)
	}
	if _, err := os.Stat(filepath.Join(dir, custody.FileMasters)); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("its file is there", err)
	}
}
