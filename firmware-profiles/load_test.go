package profiles

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var softATR = []byte{0x3B, 0x88, 0x80, 0x01, 0x80, 0x56, 0x58, 0x55, 0x45, 0x4A, 0x49, 0x31, 0xA5}

func shippedFile(t testing.TB, name string) string {
	t.Helper()
	b, err := shipped.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// only is the one profile that claims an ATR.
func only(t *testing.T, s *Set, atr []byte) *Profile {
	t.Helper()
	list := s.Match(atr)
	if len(list) != 1 {
		t.Fatalf("%X is claimed by %d profiles", atr, len(list))
	}
	return list[0]
}

func TestShipped(t *testing.T) {
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.All()) < 2 {
		t.Fatal("profiles are missing")
	}
	p := only(t, s, softATR)
	if p.Name != "xueji-soft" {
		t.Fatal("the software card's ATR is not claimed by xueji-soft")
	}
	if len(s.Match(softATR[:12])) > 0 {
		t.Error("a cut ATR is claimed")
	}
	vicc := only(t, s, []byte{0x3B, 0x95, 0x13, 0x81, 0x01, 0x80, 0x73, 0xFF, 0x01, 0x00, 0x0B})
	if vicc.Name != "vicc-iso7816" || vicc.Level != 0 {
		t.Error("vicc")
	}
	// Commands, byte by byte.
	for _, c := range []struct {
		p    *Profile
		op   Operation
		args Args
		want string
	}{
		{p, SelectApplication, nil, "00A4040007F0585545" + "4A490100"},
		{p, ReadShort, Args{"sfi": 3, "offset": 255, "count": 256}, "00B083FF00"},
		{p, Read, Args{"offset": 0x1FF, "count": 1}, "00B001FF01"},
		{p, WriteShort, Args{"sfi": 1, "offset": 16, "data": []byte{0xAA, 0xBB}}, "00D6811002AABB"},
		{vicc, Write, Args{"offset": 512, "data": []byte{0xAA}}, "00D6020001AA00"},
		{vicc, SelectFile, Args{"file": []byte{1, 1}}, "00A4020C020101"},
	} {
		got, err := c.p.Command(c.op, c.args)
		if err != nil || fmt.Sprintf("%X", got) != c.want {
			t.Errorf("%s %s: %X, want %s: %v", c.p.Name, c.op, got, c.want, err)
		}
	}
	if _, err := p.Command(SelectFile, nil); err == nil {
		t.Error("an operation the profile lacks gave a command")
	}
}

// TestMistakes: each mistake is an error that begins with file and line of the mistake.
func TestMistakes(t *testing.T) {
	soft := shippedFile(t, "xueji-soft.yaml")
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "level: 2", "levle: 2", `unknown key "levle"`},
		{"unknown key inside", "first: 255", "firts: 255", `unknown key "firts"`},
		{"key twice", "level: 2", "level: 2\nlevel: 2", "already defined"},
		{"other language", "language: 1", "language: 2", "language"},
		{"name is not the file's", "name: xueji-soft", "name: xueji-hard", "is called xueji-hard.yaml"},
		{"level", "level: 2", "level: 9", "0 to 3"},
		{"chunk too large", "write: 255", "write: 300", "16 to 255"},
		{"head shorter than a header", "head: 16", "head: 8", "16 to 255"},
		{"first beyond short ids", "first: 255", "first: 256", "at most 255"},
		{"status word", "absent: [6A82, 6A83]", "absent: [6A82, 6A8]", "four hex digits"},
		{"absent that is success", "absent: [6A82, 6A83]", "absent: [9000]", "means success"},
		{"missing value", `send: "00 A4 04 00 [{aid}] 00"`, `send: "00 A4 04 00 [{adi}] 00"`, "no value {adi} here"},
		{"value not used", `send: "00 B0 {offset:2} {count:1}"`, `send: "00 B0 0000 {count:1}"`, "must use {offset}"},
		{"number without width", "{count:1}\"}\n  read_short", "{count}\"}\n  read_short", "say its width"},
		{"too narrow", `"00 B0 {offset:2} {count:1}"`, `"00 B0 00 {offset:1} {count:1}"`, "too much for 1 bytes"},
		{"bracket", `[{aid}] 00"`, `[{aid} 00"`, "without its ]"},
		{"bracket the other way", `[{aid}] 00"`, `{aid}] 00"`, "without its ["},
		{"not hex", `"00 CA 01 01 08"`, `"00 CA 01 01 0g"`, "neither hex"},
		{"no such file", "{file: public_b}", "{file: public_c}", `no file "public_c"`},
		{"slot beyond its file", "{public: {file: public_a}", "{public: {file: public_a, offset: 10, size: 510}", "do not fit"},
		{"slots overlap", "{public: {file: public_b}, sealed", "{public: {file: public_a}, sealed", "overlaps"},
		{"file id twice", `id: "01 02"`, `id: "01 01"`, "of its own"},
		{"short id twice", "sfi: 2", "sfi: 1", "sfi 1 is taken"},
		{"no access bytes", `, access: "00 11 FF"}`, "}", "no access bytes"},
		{"unknown operation", "  read_serial:", "  read_seriel:", "unknown operation"},
		{"unknown cipher", "cipher: aes", "cipher: rot13", "3des, aes or sm4"},
		{"no cipher", "cipher: aes", "", "cipher is missing"},
		{"key twice by name", "{name: check}", "{name: write}", "is taken"},
		{"key of an impossible size", "{name: check}", "{name: check, size: 17}", "16 to 16"},
		{"public key of an impossible size", "{name: check}", `{name: check, value: "FF FF"}`, "no key of aes"},
		{"every chip the same", `"{serial} {aid}"`, `"{aid}"`, "every chip has the same keys"},
		{"diversifier too long", `"{serial} {aid}"`, `"{serial} {serial} {serial} {aid} 00"`, "1–31 are possible"},
		{"unknown key in a group", "[cmac:write", "[cmac:wirte", "no key of this name"},
		{"unknown function", "[cmac:write", "[cnac:write", "no such function"},
		{"function without its key", "[cmac:write ", "[cmac ", "1 arguments"},
		{"value taken nowhere", `take: "challenge:16"`, `take: "chalenge:16"`, "no value {challenge} here"},
		{"take ill-formed", `take: "challenge:16"`, `take: "challenge"`, "name:size"},
		{"IV of another size", "[cmac:check {ours}]", "[cbc:check:short {ours}]", "no value {short} here"},
		{"not whole blocks", "[cmac:check {ours}]", "[ecb:check [left:15 {ours}]]", "whole blocks"},
		{"never equal", "[cmac:check {ours}]", "[left:4 [cmac:check {ours}]]", "can never equal"},
		{"cut too much", "[cmac:check {ours}]", "[left:17 [cmac:check {ours}]]", "17 bytes from 0 of 16"},
		{"retail MAC of AES", "[cmac:check {ours}]", "[retail:check {ours}]", "of 3des alone"},
		{"two kinds in a step", `{random: "ours:16"}`, `{random: "ours:16", set: x, to: "00"}`, "one of send"},
		{"set without to", `{random: "ours:16"}`, `{set: ours}`, "go with to"},
		{"a proof that proves nothing", `      - {same: "{proof}", to: "[cmac:check {ours}]"}`, "", "proves nothing"},
		{"no such procedure", `{random: "ours:16"}`, `{use: [nowhere]}`, "no procedure"},
		{"a key's value before outside rekey", "[cmac:check {ours}]", "[cmac:was_check {ours}]", "was_check"},
		{"a key named as one before", "  - {name: check}", "  - {name: was_check}", "before rekey"},
		{"each in rekey", `{note: all keys,           use: [move, moved]}`, `{note: both keys, each: file, send: "00 A4 04 00 [{aid}] 00"}`, "each belongs to prepare"},
		{"no reading key", "  - {name: read}\n", "", "wants the chip's own key \"read\""},
		{"a reading key that everyone knows", "  - {name: read}\n", "  - {name: read, value: \"00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F\"}\n", "wants the chip's own key \"read\""},
		{"a key that no reader has", "[cmac:read {challenge}]", "[cmac:check {challenge}]", "a reader has no key \"check\""},
		{"no words for a guarded file", "  guarded: [6982]\n", "", "wants status.guarded"},
		{"a guard without open_sealed", "  open_sealed:\n    steps:\n", "  seed_serial:\n    steps:\n", "go with operations.open_sealed"},
		{"a size without read_sealed", "  head: 16\n", "  head: 16\n  sealed: 100\n", "goes with operations.read_sealed"},
		{"read_sealed that gives nothing", "  open_sealed:\n", "  read_sealed: {send: \"00 B0 {offset:2} {count:1}\"}\n  open_sealed:\n", "must take {clear}"},
		{"take all but nothing", `take: "proof:16"`, `take: "proof:*-0"`, "all but the last 8"},
		{"pattern", `"80 56 58 55 45 4A 49 31"`, `"80 5"`, "pairs of hex digits"},
		{"not YAML", "limits:", "limits: [", "did not find expected"},
	} {
		if !strings.Contains(soft, c.old) {
			t.Fatalf("%s: the shipped file no longer has %q", c.name, c.old)
		}
		bad := strings.Replace(soft, c.old, c.new, 1)
		_, err := Parse("xueji-soft.yaml", []byte(bad))
		if !errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
			continue
		}
		var line int
		if _, err := fmt.Sscanf(err.Error(), "xueji-soft.yaml:%d:", &line); err != nil || line < 1 {
			t.Errorf("%s: no file and line in %q", c.name, err)
		}
		// The line that was changed is named (a neighbour, for YAML's own errors; 1 for what is missing).
		at := 1 + strings.Count(soft[:strings.Index(soft, c.old)], "\n")
		if line != 1 && (line < at-1 || line > at+2) && !slices.Contains([]string{"no cipher", "value taken nowhere", "a proof that proves nothing", "no reading key", "a reading key that everyone knows", "no words for a guarded file"}, c.name) && c.name != "no access bytes" && c.name != "unknown operation" {
			t.Errorf("%s: line %d is blamed, the mistake is in line %d", c.name, line, at)
		}
	}
}

func TestSets(t *testing.T) {
	soft := shippedFile(t, "xueji-soft.yaml")
	other := strings.Replace(soft, "name: xueji-soft", "name: other", 1)
	folder := func(content string) fstest.MapFS { return fstest.MapFS{"other.yaml": {Data: []byte(content)}} }

	// Two profiles that claim one ATR.
	_, err := Load(folder(other))
	if !errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), "other.yaml:9: an ATR could be claimed by this pattern and by xueji-soft.yaml:9") {
		t.Errorf("one ATR for two: %v", err)
	}
	// A wildcard that merely could.
	if _, err := Load(folder(strings.Replace(other, `"80 56 58 55 45 4A 49 31"`, `"80 56 .. .. .. .. .. .."`, 1))); !errors.Is(err, ErrProfile) {
		t.Errorf("overlapping patterns: %v", err)
	}
	// Another ATR is welcome, at run time.
	s, err := Load(folder(strings.Replace(other, "45 4A 49 31", "45 4A 49 32", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := s.Get("other"); !ok || p.Source != "other.yaml" {
		t.Error("the folder's profile is missing")
	}
	// The same cards, prepared in another way: the folder's takes the place of the shipped one.
	s, err = Load(fstest.MapFS{"xueji-soft.yaml": {Data: []byte(strings.Replace(soft, "title: Xueji", "title: Our own", 1))}})
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := s.Get("xueji-soft"); !strings.HasPrefix(p.Title, "Our own") || len(s.All()) != len(shippedSet(t).All()) {
		t.Error("the folder's profile did not take the place of the shipped one")
	}
	// The same name for other cards.
	if _, err := Load(fstest.MapFS{"xueji-soft.yaml": {Data: []byte(strings.Replace(soft, "45 4A 49 31", "45 4A 49 32", 1))}}); !errors.Is(err, ErrProfile) {
		t.Errorf("one name for two: %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		a, b    string
		overlap bool
	}{
		{"3B 01", "3B 01", true}, {"3B 01", "3B 02", false}, {"3B ..", "3B 02", true}, {"3B .. 01", "3B 02 ..", true}, {"3B .. 01", "3B 02 02", false},
		{"3B", "3B 02", false}, {"3B *", "3B 02", true}, {"3B *", "3F 02", false}, {"3B 01 *", "3B *", true},
	} {
		a, errA := parsePattern(c.a)
		b, errB := parsePattern(c.b)
		if errA != nil || errB != nil || a.overlaps(&b) != c.overlap || b.overlaps(&a) != c.overlap {
			t.Errorf("%q and %q: overlap is not %v", c.a, c.b, c.overlap)
		}
	}
	// An ATS becomes the ATR that a PC/SC reader makes of it; TCK is left open.
	ats, err := fromATS("80 56 58 55 45 4A 49 31")
	if err != nil || !ats.Matches(softATR) {
		t.Error("ATS", err)
	}
}

// FuzzParse: no input panics, and what is accepted can be told from the embedded set by name alone.
func FuzzParse(f *testing.F) {
	for _, n := range []string{"xueji-soft.yaml", "vicc-iso7816.yaml"} {
		f.Add([]byte(shippedFile(f, n)))
	}
	f.Add([]byte("language: 1\nname: xueji-soft\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse("xueji-soft.yaml", b)
		if err != nil {
			if !errors.Is(err, ErrProfile) {
				t.Fatal(err)
			}
			return
		}
		if _, err := p.Command(SelectApplication, nil); err != nil {
			t.Fatalf("accepted, and cannot select: %v", err)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"00 A4 04 00 [{aid}] 00", "00 E0 [62 [82 [38] 83 [{x:2}]]]", "[ber {x:4|80}]", "{", "]["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		nodes, err := parseTemplate(s)
		if err != nil {
			return
		}
		tpl := &Template{text: s, nodes: nodes}
		args := Args{}
		for _, n := range tpl.names() {
			args[n] = []byte{1, 2}
		}
		a, errA := tpl.Bytes(args, nil)
		b, errB := tpl.Bytes(args, nil)
		if (errA == nil) != (errB == nil) || !bytes.Equal(a, b) {
			t.Fatal("not a function")
		}
	})
}

// TestReadme: the example profile of the README loads, and every key and operation of the language is told of there.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	_, rest, ok := strings.Cut(text, "```yaml example-card.yaml\n")
	if !ok {
		t.Fatal("README has no example")
	}
	example, _, _ := strings.Cut(rest, "```")
	s, err := Load(fstest.MapFS{"example-card.yaml": {Data: []byte(example)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Get("example-card"); !ok {
		t.Fatal("the example is not called example-card")
	}
	for f := range functions {
		if !strings.Contains(text, "`["+f) {
			t.Errorf("README does not tell of function %s", f)
		}
	}
	for op, g := range given {
		if !strings.Contains(text, "`"+string(op)+"`") {
			t.Errorf("README does not tell of operation %s", op)
		}
		for _, v := range g.may {
			if !strings.Contains(text, "{"+v+"}") {
				t.Errorf("README does not tell of value {%s}", v)
			}
		}
	}
}

func shippedSet(t *testing.T) *Set {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
