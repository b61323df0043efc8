package cardtest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
	profiles "xueji/firmware-profiles"
)

const formatDoc = "../../docs/card-format.md"

var update = flag.Bool("update", false, "write the vectors into docs/card-format.md")

var suites = []credential.Suite{credential.ES256, credential.SM2}

// block is the inside of a fenced block of the document.
func block(t *testing.T, doc, info string) string {
	t.Helper()
	_, rest, ok := strings.Cut(doc, "\n```"+info+"\n")
	if !ok {
		t.Fatalf("%s has no block %q", formatDoc, info)
	}
	body, _, ok := strings.Cut("\n"+rest, "\n```")
	if !ok {
		t.Fatalf("%s: block %q does not end", formatDoc, info)
	}
	return strings.TrimPrefix(body, "\n")
}

func readDoc(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(formatDoc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// vector is one name and its bytes, in the order of the document.
type vector struct {
	name  string
	bytes []byte
}

// vectors makes the worked example of a suite with fixed keys.
func vectors(t *testing.T, suite credential.Suite) []vector {
	t.Helper()
	a := NewAuthority(t, "330000", suite)
	var out []vector
	add := func(name string, b []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(name, err)
		}
		out = append(out, vector{name, b})
	}
	key := func(name string, k *credential.PrivateKey) {
		b, err := k.MarshalBinary()
		add(name+" private key", b, err)
		add(name+" public key", k.PublicKey(), nil)
		id := k.KeyID()
		add(name+" kid", id[:], nil)
	}
	key("root", a.Root)
	key("issuing", a.Issuing)
	roots, err := credential.EncodeRoots([]credential.Root{a.Pinned()})
	add("roots file", roots, err)
	add("certificate", a.Certificate, nil)
	add("reading key", a.Reading.Key, nil)

	for _, s := range credential.Sections {
		add(fmt.Sprintf("key of section %d", s), a.KeysOf(s)[1].Sections[s], nil)
	}
	random := make([]byte, 56)
	_, err = Deterministic("vector seal").Read(random)
	add("random", random, err)
	p := Public([]byte{0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x07}, 7)
	var sealed []byte
	sealed, p.Digests, err = credential.SealItems(Items(), a.Reading, p.CardNo, p.Sequence, bytes.NewReader(random))
	add("sealed record", sealed, err)
	record, err := p.Sign(a.Issuing)
	add("public record", record, err)

	// The same in slot 0 of a software card.
	card, image := slotOf(t, record, sealed, p.Sequence)
	add("public slot header", card[:16], nil)
	add("sealed slot header", image[:16], nil)

	list := a.StatusList(t, 42, []uint32{0, 9, 17, 1000}, map[uint32]uint32{5: 3})
	add("status list", list, nil)

	device := bytes.Repeat([]byte{0x11}, 32)
	mine, err := ecdh.X25519().NewPrivateKey(device)
	if err != nil {
		t.Fatal(err)
	}
	// What opens the sealed place of a software card of this serial.
	soft := softProfile(t)
	master := bytes.Repeat([]byte{0x33}, 16)
	purpose := sha256.Sum256([]byte("xueji-soft\x00read"))
	reader, err := securemsg.Diversify(securemsg.AES, securemsg.NewSecret(master), purpose[:15])
	if err != nil {
		t.Fatal(err)
	}
	diversifier, err := soft.Diversifier(p.ChipSerial)
	if err != nil {
		t.Fatal(err)
	}
	chip, err := applet.ReaderKeys(soft, reader, nil).Derive(profiles.ReadKey, diversifier)
	add("reader master key", master, nil)
	add("reader's key of xueji-soft", reader.Reveal(), nil)
	add("diversifier of the chip", diversifier, nil)
	add("key `read` of the chip", chip.Reveal(), err)
	keys := a.KeysOf(credential.SectionDesk)[1]
	keys.Authority, keys.Readers = a.Code, map[string]credential.Secret{soft.Name: reader.Reveal()}
	wrapped, err := credential.SealKeys(mine.PublicKey().Bytes(), keys, bytes.NewReader(bytes.Repeat([]byte{0x22}, 32)))
	add("device private key", device, nil)
	add("ephemeral private key", bytes.Repeat([]byte{0x22}, 32), nil)
	add("sealed keys", wrapped, err)
	return out
}

// slotOf writes both records to a card and takes the raw places of slot 0.
func slotOf(t *testing.T, record, sealed []byte, seq uint32) (public, private []byte) {
	t.Helper()
	ctx := context.Background()
	p := softProfile(t)
	c, err := cardsim.New(Deterministic("vector"))
	if err != nil {
		t.Fatal(err)
	}
	if err := applet.Prepare(ctx, c, p, WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	r, err := applet.Read(ctx, c, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := applet.Write(ctx, c, p, r, seq, record, sealed, WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	read := func(sfi byte) []byte {
		b, err := c.Transmit(ctx, []byte{0x00, 0xB0, 0x80 | sfi, 0x00, 0x00})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return read(1), read(3)
}

func softProfile(t testing.TB) *profiles.Profile {
	t.Helper()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, ok := set.Get(cardsim.Profile)
	if !ok {
		t.Fatal("no profile for the software card")
	}
	return p
}

// print lays vectors out as in the document: a name, then lines of 64 bytes.
func print(vs []vector) string {
	var b strings.Builder
	for _, v := range vs {
		fmt.Fprintf(&b, "%s (%d)\n", v.name, len(v.bytes))
		for rest := v.bytes; len(rest) > 0; {
			n := min(64, len(rest))
			fmt.Fprintf(&b, "  %x\n", rest[:n])
			rest = rest[n:]
		}
	}
	return b.String()
}

func parse(t *testing.T, text string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if h, ok := strings.CutPrefix(line, "  "); ok {
			b, err := hex.DecodeString(h)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = append(out[name], b...)
			continue
		}
		name, _, _ = strings.Cut(line, " (")
		out[name] = []byte{}
	}
	return out
}

// TestVectors regenerates the worked examples and compares them with the document.
func TestVectors(t *testing.T) {
	doc := readDoc(t)
	for _, suite := range suites {
		info := "vectors " + string(suite)
		want := print(vectors(t, suite))
		got := block(t, doc, info)
		if got != "" {
			got += "\n"
		}
		if got == want {
			continue
		}
		if !*update {
			t.Errorf("%s: the vectors of suite %s are not what the code makes; run with -update and look at the difference", formatDoc, suite)
			continue
		}
		doc = strings.Replace(doc, "```"+info+"\n"+got+"```", "```"+info+"\n"+want+"```", 1)
	}
	if *update {
		if err := os.WriteFile(formatDoc, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVectorsByHand opens the sealed record of the document with nothing but the document: offsets, AES-GCM or SM4-GCM, HMAC and hash.
func TestVectorsByHand(t *testing.T) {
	for _, c := range []struct {
		suite     credential.Suite
		hash      func() hash.Hash
		block     func([]byte) (cipher.Block, error)
		protected string // of a section, epoch 1, but for its last byte
	}{
		{credential.ES256, sha256.New, aes.NewCipher, "a2010304430001"},
		{credential.SM2, sm3.New, sm4.NewCipher, "a2013a0001000104430001"},
	} {
		v := parse(t, block(t, readDoc(t), "vectors "+string(c.suite)))
		sealed := v["sealed record"]
		if sealed[0] != 0x82 {
			t.Fatalf("%s: not an array of two sections", c.suite)
		}
		name, birth := "欧阳𬀩", "2015-03-08"
		at := 1
		for section, want := range map[byte]struct {
			head  []byte // of the items
			item  byte
			value string
		}{1: {[]byte{0xA6, 0x01, 0x6A}, 1, name}, 2: {[]byte{0xA4, 0x02, 0x61, '2', 0x03, 0x6A}, 3, birth}} {
			if section == 2 { // begins where the first ends: array head, protected, nonce, ciphertext
				at = 1 + sectionSize(sealed[1:])
			} else {
				at = 1
			}
			protected, _ := hex.DecodeString(c.protected)
			protected = append(protected, section)

			// 83 | bstr(protected) | A1 05 4C nonce(12) | 58 length ciphertext
			if sealed[at] != 0x83 || int(sealed[at+1]) != 0x40+len(protected) || !bytes.Equal(sealed[at+2:at+2+len(protected)], protected) {
				t.Fatalf("%s: head of section %d % X", c.suite, section, sealed[at:at+20])
			}
			at += 2 + len(protected) + 3
			nonce := sealed[at : at+12]
			if !bytes.Equal(nonce, v["random"][28*int(section)-12:28*int(section)]) {
				t.Fatal("nonce")
			}
			at += 12
			if sealed[at] != 0x58 { // 24–255 bytes of ciphertext
				t.Fatalf("ciphertext head %X", sealed[at])
			}
			ciphertext := sealed[at+2 : at+2+int(sealed[at+1])]

			// Enc_structure: 83 68 "Encrypt0" bstr(protected) bstr(83 6C "xueji.seal.1" 6F "330000000000017" 07)
			external := append([]byte{0x83, 0x6C}, "xueji.seal.1"...)
			external = append(append(external, 0x6F), "330000000000017"...)
			external = append(external, 0x07)
			aad := append([]byte{0x83, 0x68}, "Encrypt0"...)
			aad = append(append(aad, 0x40+byte(len(protected))), protected...)
			aad = append(append(aad, 0x58, byte(len(external))), external...)

			// HKDF by hand: PRK = HMAC(zeros, reading key), OKM = HMAC(PRK, info ‖ 01)
			prk := hmac.New(c.hash, make([]byte, 32))
			prk.Write(v["reading key"])
			okm := hmac.New(c.hash, prk.Sum(nil))
			okm.Write(append([]byte("xueji.section.1"), section, 1))
			key := okm.Sum(nil)[:len(v["reading key"])]
			if !bytes.Equal(key, v[fmt.Sprintf("key of section %d", section)]) {
				t.Fatalf("%s: key of section %d", c.suite, section)
			}
			b, err := c.block(key)
			if err != nil {
				t.Fatal(err)
			}
			gcm, err := cipher.NewGCM(b)
			if err != nil {
				t.Fatal(err)
			}
			inside, err := gcm.Open(nil, nonce, ciphertext, aad)
			if err != nil {
				t.Fatalf("%s: %v", c.suite, err)
			}
			// 82 | 50 seed(16) | A6 01 6A "欧阳𬀩" …: the name is 3+3+4 = 10 bytes
			if inside[0] != 0x82 || inside[1] != 0x50 || !bytes.HasPrefix(inside[18:], append(want.head, want.value...)) {
				t.Fatalf("%s: section %d in clear % X", c.suite, section, inside[:40])
			}
			mac := hmac.New(c.hash, inside[2:18])
			mac.Write(append([]byte("xueji.item.1"), want.item))
			salt := mac.Sum(nil)[:16]
			// digest: H(83 | 50 salt | 01 | 6A name), first 16 bytes
			h := c.hash()
			h.Write(append(append(append([]byte{0x83, 0x50}, salt...), want.item, 0x6A), want.value...))
			if digest := h.Sum(nil)[:16]; !bytes.Contains(v["public record"], append([]byte{want.item, 0x50}, digest...)) {
				t.Fatalf("%s: digest of item %d is not in the public record", c.suite, want.item)
			}
		}

		// And what the package says of the same bytes.
		roots, err := credential.DecodeRoots(v["roots file"])
		if err != nil {
			t.Fatal(err)
		}
		verifier := credential.NewVerifier(roots)
		if err := verifier.SetCertificates([][]byte{v["certificate"]}); err != nil {
			t.Fatal(err)
		}
		if err := verifier.SetStatusList(v["status list"]); err != nil {
			t.Fatal(err)
		}
		p, r := verifier.CheckRecord(v["public record"], Now)
		if r.Verdict != credential.Revoked { // index 17 is on the list
			t.Fatalf("%s: %+v", c.suite, r)
		}
		k, err := credential.OpenKeys(v["device private key"], v["sealed keys"])
		if err != nil || len(k.Sections) != 1 || !bytes.Equal(k.Sections[credential.SectionDesk], v["key of section 1"]) {
			t.Fatal("sealed keys", err)
		}
		if k.Authority != "330000" || len(k.Readers) != 1 || !bytes.Equal(k.Readers["xueji-soft"], v["reader's key of xueji-soft"]) {
			t.Fatal("readers' keys", k.Authority, len(k.Readers))
		}
		// D(k, x): CMAC over 01‖x, padded with 80 00… to two blocks.
		d := func(key, x []byte) []byte {
			b, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			return securemsg.CMACPadded(b, append([]byte{1}, x...), 32)
		}
		purpose := sha256.Sum256([]byte("xueji-soft\x00read"))
		if own := d(v["reader master key"], purpose[:15]); !bytes.Equal(own, v["reader's key of xueji-soft"]) || !bytes.Equal(d(own, v["diversifier of the chip"]), v["key `read` of the chip"]) {
			t.Fatal("readers' keys are derived otherwise")
		}
		items, err := credential.OpenItems(sealed, map[uint16]credential.DeviceKeys{k.Epoch: k}, p)
		if err != nil || items[credential.ItemName] != name || len(items) != 6 || items[credential.ItemBirth] != "" {
			t.Fatal(items, err)
		}
		if head := v["public slot header"]; binary.BigEndian.Uint16(head[8:]) != uint16(len(v["public record"])) || !bytes.HasPrefix(head, []byte("XJ\x01\x01\x00\x00\x00\x07")) {
			t.Fatalf("slot header % X", head)
		}
	}
}

// sectionSize is the length of one section, found by hand.
func sectionSize(b []byte) int {
	protected := int(b[1]) - 0x40
	at := 2 + protected + 3 + 12
	return at + 2 + int(b[at+1])
}

// TestOpenSSL takes a record off a card and runs the document's commands over it, as they stand there; a changed byte must make them fail.
func TestOpenSSL(t *testing.T) {
	ctx := context.Background()
	doc := readDoc(t)
	p := softProfile(t)
	for _, suite := range suites {
		t.Run(string(suite), func(t *testing.T) {
			a := NewAuthority(t, "330000", suite)
			c, err := cardsim.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := applet.Prepare(ctx, c, p, WithKeys(p)); err != nil {
				t.Fatal(err)
			}
			blank, err := applet.Read(ctx, c, p)
			if err != nil {
				t.Fatal(err)
			}
			record, sealed := a.Issue(t, c.Serial(), 1, nil)
			if err := applet.Write(ctx, c, p, blank, 1, record, sealed, WithKeys(p)); err != nil {
				t.Fatal(err)
			}
			r, err := applet.Read(ctx, c, p)
			if err != nil {
				t.Fatal(err)
			}
			script := block(t, doc, "sh "+strings.ToLower(string(suite)))
			run := func(record, certificate []byte) ([]byte, error) {
				dir := t.TempDir()
				for name, b := range map[string][]byte{
					"record.bin": record, "certificate.bin": certificate, "root.hex": []byte(hex.EncodeToString(a.Root.PublicKey())),
				} {
					if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				cmd := exec.Command("sh", "-eu", "-c", script)
				cmd.Dir = dir
				return cmd.CombinedOutput()
			}
			if out, err := run(r.Record, a.Certificate); err != nil {
				t.Fatalf("openssl refuses a good card: %v\n%s", err, out)
			}
			for name, at := range map[string]int{"payload": len(r.Record) / 2, "signature": len(r.Record) - 5, "kid": 14} {
				bad := bytes.Clone(r.Record)
				bad[at] ^= 0x01
				if out, err := run(bad, a.Certificate); err == nil {
					t.Fatalf("openssl takes a record with a changed %s:\n%s", name, out)
				}
			}
			bad := bytes.Clone(a.Certificate)
			bad[len(bad)-70] ^= 0x01
			if _, err := run(r.Record, bad); err == nil {
				t.Fatal("openssl takes a changed certificate")
			}
		})
	}
}
