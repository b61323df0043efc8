package applet_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
)

// heard says whether any of the chip's keys went over the wire in clear, or under a key that everyone knows.
func heard(t *testing.T, p *profiles.Profile, serial []byte, commands [][]byte) (names []string) {
	t.Helper()
	d, err := p.Diversifier(serial)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range p.Keys {
		if k.Value != nil {
			continue
		}
		key, err := cardtest.Keys(p, "").Derive(k.Name, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			clear := bytes.Contains(c, key.Reveal())
			for _, known := range p.Keys {
				if known.Value == nil {
					continue
				}
				block, err := securemsg.Cipher(p.Cipher).Block(securemsg.NewSecret(known.Value))
				if err != nil {
					t.Fatal(err)
				}
				for at := range c { // whatever stands where
					n := (len(c) - at) / block.BlockSize() * block.BlockSize()
					if plain, err := securemsg.DecryptECB(block, c[at:at+n]); err == nil && bytes.Contains(plain, key.Reveal()) {
						clear = true
					}
				}
			}
			if clear {
				names = append(names, k.Name)
				break
			}
		}
	}
	return names
}

// TestBatchKeys: chips that a distributor delivers under each chip's own control key are made at a station that hears no key at all, by a profile in a folder that takes the
// shipped one's place. Chips as the factory ships them tell a listening station their first key, which the threat model says.
func TestBatchKeys(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"fmcos", "fmcos-sm4"} {
		t.Run(name, func(t *testing.T) {
			b := benchOf(t, name)
			whole := &lengths{next: b.card("whole")}
			if err := applet.Prepare(ctx, whole, b.p, cardtest.WithKeys(b.p)); err != nil {
				t.Fatal(err)
			}
			if got := heard(t, b.p, b.card("whole").Serial(), whole.commands); strings.Join(got, " ") != "control" {
				t.Errorf("a station hears %v of a chip from the factory", got)
			}

			// The distributor's room: the factory's key goes, the chip's own control key comes.
			c := b.card("batch")
			upTo := 0
			for i, command := range whole.commands {
				if command[0] == 0x80 && command[1] == 0xD4 {
					upTo = i + 1
				}
			}
			c.TearAt(cardsim.Tear{After: upTo})
			_ = applet.Prepare(ctx, c, b.p, cardtest.WithKeys(b.p))
			c.Insert()

			text, err := profiles.Shipped(name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			own := strings.Replace(string(text), "use: [own, blank, transport], fresh: [transport, blank, own]", "use: [own]", 1)
			for _, gone := range []string{"blank", "transport"} { // the other ways in
				own = regexp.MustCompile(`(?m)^  `+gone+`: .*\n(    .*\n)+`).ReplaceAllString(own, "")
			}
			own = regexp.MustCompile(`(?m)^  - \{name: transport, value:.*\n`).ReplaceAllString(own, "") // and the key that everyone knows
			if strings.Contains(own, "transport") {
				t.Fatal("the shipped profile has other words now:", own)
			}
			set, err := profiles.Load(fstest.MapFS{name + ".yaml": {Data: []byte(own)}})
			if err != nil {
				t.Fatal(err)
			}
			p, err := applet.Identify(ctx, c, set, c.ATR())
			if err != nil || p.Name != name {
				t.Fatal(p, err)
			}
			station := &lengths{next: c}
			keys := cardtest.WithKeys(p)
			if err := applet.Prepare(ctx, station, p, keys); err != nil {
				t.Fatal(err)
			}
			record, sealed := b.a.Issue(t, c.Serial(), 1, func(p *credential.Public) { p.Profile = name })
			if err := applet.Write(ctx, station, p, applet.Reading{Blank: true, Prepared: true, ChipSerial: c.Serial()}, 1, record, sealed, keys); err != nil {
				t.Fatal(err)
			}
			if err := applet.Check(ctx, station, p, c.Serial(), keys); err != nil {
				t.Fatal(err)
			}
			if got := heard(t, b.p, c.Serial(), station.commands); len(got) != 0 {
				t.Errorf("the station heard %v", got)
			}
			// Readers keep the shipped profile.
			if got := b.holds(c); got != 1 {
				t.Errorf("sequence %d", got)
			}
		})
	}
}
