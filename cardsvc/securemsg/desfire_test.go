package securemsg

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func secret(s string) Secret { return NewSecret(unhex(s)) }

func wantBytes(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, unhex(want)) {
		t.Errorf("%s: %X, want %s", what, got, want)
	}
}

// TestEV1Handshake replays two AA handshakes recorded on real DESFire EV1 cards ("DESFire EV1 communication examples", public).
func TestEV1Handshake(t *testing.T) {
	for _, v := range []struct{ key, rndA, first, second, last, session string }{
		{"00000000000000000000000000000000", "F44B26F5686F3A391CD38EBD10772281", "B969FDFE56FD91FC9DE6F6F213B8FD1E",
			"36AAD7DF6E436BA08D18613830A70D5AD43E3D3F4A8D47541EEE623A934E4774", "800DB680BC146BD121D6578F2D2E2059", "F44B26F5C05DDD7110772281C4D066E8"},
		{"10182028303840485058606870788088", "40E7D27174CBA675E8EFBAB99C530E3D", "B351CB2465D4F33AC627FD6E87A168F2",
			"044B6CAC343A08658951496 49CA8DDE1F5AC4EC67BD208900AF02F049E05F0B0", "A2EE144B1012FBEB7B2F11132D95A454", "40E7D271626FFBD49C530E3D304F5B17"},
	} {
		a, second, err := BeginEV1(secret(v.key), unhex(v.rndA), unhex(v.first))
		if err != nil {
			t.Fatal(err)
		}
		wantBytes(t, "RndA ‖ RndB'", second, v.second)
		wantBytes(t, "session key", EV1SessionKey(a.rndA, a.rndB).b, v.session)
		if _, err := a.Finish(unhex(v.last)); err != nil {
			t.Error(err)
		}
		wrong := unhex(v.last)
		wrong[7] ^= 1
		if _, err := a.Finish(wrong); !errors.Is(err, ErrMutual) {
			t.Errorf("a wrong RndA': %v", err)
		}
		if _, err := a.Finish(wrong[:15]); !errors.Is(err, ErrForm) {
			t.Errorf("a short RndA': %v", err)
		}
	}
}

// TestEV1ChangeKey replays three key changes recorded on real cards, the last with the answer's CMAC.
func TestEV1ChangeKey(t *testing.T) {
	const a, b = "00102030405060708090A0B0B0A09080", "10182028303840485058606870788088"
	for _, v := range []struct {
		session string
		no      byte
		old     Secret
		next    string
		want    string
		answer  string
	}{
		{"F44B26F5C05DDD7110772281C4D066E8", 0, Secret{}, a, "00E9F85E219496C2B58C1090DC3935FAE9E840CF61B383D9531946256B1F110C10", ""},
		{"C2A1E47B27104712FE6D00A71177A19B", 0, Secret{}, b, "002945E3760E60F4A4046BB8A505B31CF559A3A2E05213BC82942CA6AB5DBCECF5", ""},
		{"C2A1E47BD8100044FE6D00A74D7AB17C", 1, secret("00000000000000000000000000000000"), a,
			"01E7ECCB6BD1CA64BC161A12B1C024F71430337408C8A87EACAB7A1FF18951FCA3", "2128D3CD9C9ACFFF"},
	} {
		s, err := NewEV1(secret(v.session))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.ChangeKey(v.no, v.old, secret(v.next), 0x10)
		if err != nil {
			t.Fatal(err)
		}
		wantBytes(t, "ChangeKey", got, v.want)
		if v.answer != "" {
			if _, err := s.Open(unhex(v.answer), CommPlain, -1); err != nil {
				t.Errorf("the answer's CMAC: %v", err)
			}
			wantBytes(t, "the chain", s.iv, "2128D3CD9C9ACFFFF6EB9546ADF35E17")
		}
	}
}

// TestEV2Handshake replays AN12196 §5.6 (71) and §5.10 (77), and AN12343's session keys.
func TestEV2Handshake(t *testing.T) {
	zero := NewSecret(make([]byte, 16))
	enc, mac, err := EV2SessionKeys(zero, unhex("B04D0787C93EE0CC8CACC8E86F16C6FE"), unhex("FA659AD0DCA738DD65DC7DC38612AD81"))
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "AN12343 ENC", enc.b, "63DC07286289A7A6C0334CA31C314A04")
	wantBytes(t, "AN12343 MAC", mac.b, "774F26743ECE6AF5033B6AE8522946F6")

	a, second, err := BeginEV2(zero, unhex("13C5DB8A5930439FC3DEF9A4C675360F"), unhex("A04C124213C186F22399D33AC2A30215"), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "71 second", second, "35C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D")
	first, err := a.Finish(unhex("3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663"))
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "TI", first.ti[:], "9D00C4DF")
	enc, mac, _ = EV2SessionKeys(zero, a.rndA, a.rndB)
	wantBytes(t, "71 ENC", enc.b, "1309C877509E5A215007FF0ED19CA564")
	wantBytes(t, "71 MAC", mac.b, "4C6626F5E72EA694202139295C7A7FC7")
	wrong := unhex("3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663")
	wrong[3] ^= 0x80
	if _, err := a.Finish(wrong); !errors.Is(err, ErrMutual) {
		t.Errorf("a wrong RndA': %v", err)
	}

	// A command in between: the counter is kept.
	if _, err := first.Protect(0x51, nil, nil, CommPlain); err != nil {
		t.Fatal(err)
	}
	a, second, err = BeginEV2(zero, unhex("60BE759EDA560250AC57CDDC11743CF6"), unhex("A6A2B3C572D06C097BB8DB70463E22DC"), first)
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "77 second", second, "BE7D45753F2CAB85F34BC60CE58B940763FE969658A532DF6D95EA2773F6E991")
	next, err := a.Finish(unhex("B888349C24B315EAB5B589E279C8263E"))
	if err != nil {
		t.Fatal(err)
	}
	if next.ti != first.ti || next.counter != 1 {
		t.Errorf("77 keeps TI and counter: %X %d", next.ti, next.counter)
	}
	enc, mac, _ = EV2SessionKeys(zero, a.rndA, a.rndB)
	wantBytes(t, "77 ENC", enc.b, "4CF3CB41A22583A61E89B158D252FC53")
	wantBytes(t, "77 MAC", mac.b, "5529860B2FC5FB6154B7F28361D30BF9")
}

func ev2(t *testing.T, enc, mac, ti string, counter uint16) *EV2 {
	t.Helper()
	s, err := NewEV2(secret(enc), secret(mac), [4]byte(unhex(ti)), counter)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEV2Messages holds commands and answers to AN12196 §5.10, §5.15 and §5.16 and to AN12343 p. 54.
func TestEV2Messages(t *testing.T) {
	// AN12343: WriteData of 25 bytes MACed, its answer, ReadData of 48, its answer.
	s := ev2(t, "00000000000000000000000000000000", "9366FA195EB566F5BD2BAD4020B83002", "E2D3AF69", 0)
	data := bytes.Repeat([]byte{0x22}, 25)
	got, err := s.Protect(0x8D, unhex("00 000000 190000"), data, CommMAC)
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "8D", got[len(got)-8:], "68F2C28C575A1628")
	if _, err := s.Open(unhex("0820F68898C2A7F1"), CommMAC, -1); err != nil {
		t.Error(err)
	}
	got, _ = s.Protect(0xAD, unhex("00 000000 300000"), nil, CommMAC)
	wantBytes(t, "AD", got, "00 000000 300000 0D9BE191D5960834")
	plain := append(data, make([]byte, 23)...)
	if back, err := s.Open(append(plain, unhex("A49A44222D926666")...), CommMAC, -1); err != nil || !bytes.Equal(back, plain) {
		t.Errorf("%X %v", back, err)
	}
	// AN12196 §5.10: ChangeFileSettings enciphered.
	s = ev2(t, "1309C877509E5A215007FF0ED19CA564", "4C6626F5E72EA694202139295C7A7FC7", "9D00C4DF", 1)
	wantBytes(t, "IV", s.IV(true), "3E27082AB2ACC1EF55C57547934E9962")
	got, _ = s.Protect(0x5F, unhex("02"), unhex("4000E0C1F121200000430000430000"), CommFull)
	wantBytes(t, "5F", got, "0261B6D97903566E84C3AE5274467E89EAD799B7C1A0EF7A04")
	if _, err := s.Open(unhex("57BFF87B1241E93E"), CommFull, -1); !errors.Is(err, ErrMAC) {
		t.Errorf("a wrong MAC: %v", err)
	}
	if _, err := s.Open(unhex("57BFF87B1241E93D"), CommFull, -1); err != nil {
		t.Error(err)
	}
	// AN12196 §5.15: WriteData enciphered.
	s = ev2(t, "7A93D6571E4B180FCA6AC90C9A7488D4", "FC4AF159B62E549B5812394CAB1918CC", "7614281A", 0)
	got, _ = s.Protect(0x8D, unhex("03 000000 0A0000"), unhex("0102030405060708090A"), CommFull)
	wantBytes(t, "8D full", got, "030000000A00006B5E6804909962FC4E3FF5522CF0F8436C0C53315B9C73AA")
	if _, err := s.Open(unhex("C26D236E4A7C046D"), CommFull, -1); err != nil {
		t.Error(err)
	}
	// AN12196 §5.16: key 2 under key 0, then key 0 itself.
	s = ev2(t, "4CF3CB41A22583A61E89B158D252FC53", "5529860B2FC5FB6154B7F28361D30BF9", "7614281A", 2)
	got, _ = s.ChangeKey(2, secret("00000000000000000000000000000000"), secret("F3847D627727ED3BC9C4CC050489B966"), 1)
	wantBytes(t, "C4 02", got, "022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC75D0CE20BCD1D06E6")
	if _, err := s.Open(unhex("203BB55D1089D587"), CommFull, -1); err != nil {
		t.Error(err)
	}
	got, _ = s.ChangeKey(0, Secret{}, secret("5004BF991F408672B1EF00F08F9E8647"), 1)
	wantBytes(t, "C4 00", got, "00C0EB4DEEFEDDF0B513A03A95A75491818580503190D4D05053FF75668A01D6FDA6610234BDED6432")
}

// TestEV1AnswersRefused: each bit of an answer counts.
func TestEV1AnswersRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := NewSecret(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "session"))
		data := rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "data")
		mode := rapid.SampledFrom([]CommMode{CommMAC, CommFull}).Draw(t, "mode")
		answer := func() ([]byte, *EV1) {
			card, err := NewEV1(key)
			reader, err2 := NewEV1(key)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			for _, s := range []*EV1{card, reader} {
				if _, err := s.Protect(0xBD, []byte{1, 0, 0, 0, byte(len(data)), 0, 0}, nil, CommPlain); err != nil {
					t.Fatal(err)
				}
			}
			if mode == CommMAC {
				return append(bytes.Clone(data), card.mac(append(bytes.Clone(data), 0))[:8]...), reader
			}
			out, err := card.encipher(nil, append(bytes.Clone(data), crcLE(data, []byte{0})...))
			if err != nil {
				t.Fatal(err)
			}
			return out, reader
		}
		good, reader := answer()
		if back, err := reader.Open(good, mode, len(data)); err != nil || !bytes.Equal(back, data) {
			t.Fatalf("%v", err)
		}
		bad, reader := answer()
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := reader.Open(bad, mode, len(data)); err == nil {
			t.Fatal("a changed answer is taken")
		}
	})
}

// FuzzOpen: no answer, of any length, makes a session panic or is longer after it than before.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(nil), byte(0), 0)
	f.Add(make([]byte, 8), byte(1), -1)
	f.Add(make([]byte, 16), byte(3), 4)
	f.Add(make([]byte, 24), byte(3), -1)
	f.Fuzz(func(t *testing.T, answer []byte, mode byte, size int) {
		one, err := NewEV1(NewSecret(make([]byte, 16)))
		two, err2 := NewEV2(NewSecret(make([]byte, 16)), NewSecret(make([]byte, 16)), [4]byte{}, 0)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		for _, c := range []Channel{one, two} {
			if back, err := c.Open(bytes.Clone(answer), CommMode(mode&3), size); err == nil && len(back) > len(answer) {
				t.Fatal("longer than what was sent")
			}
		}
	})
}
