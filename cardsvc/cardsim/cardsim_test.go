package cardsim_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	profiles "xueji/firmware-profiles"
)

func softProfile(t testing.TB) *profiles.Profile {
	t.Helper()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	claim := set.Match(cardsim.ATR())
	if len(claim) != 1 {
		t.Fatalf("%d profiles claim the software card", len(claim))
	}
	return claim[0]
}

// TestStrict holds the card to ISO/IEC 7816-4 and -9: what is refused, and with which word.
func TestStrict(t *testing.T) {
	ctx := context.Background()
	c, err := cardsim.New(bytes.NewReader([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
	if err != nil {
		t.Fatal(err)
	}
	tck := byte(0) // ISO/IEC 7816-3 §8.2.5: T0 to TCK add up to 0
	for _, b := range c.ATR()[1:] {
		tck ^= b
	}
	if tck != 0 {
		t.Error("TCK of the ATR")
	}
	for i, step := range []struct{ send, want string }{
		{"00A40004023F00", "6A86"},                  // P2=04 is not known
		{"00A4000C023F00", "9000"},                  //
		{"00A4040007F0585545" + "4A490100", "6A82"}, // nothing there yet
		{"80A4000C023F00", "6E00"},                  // class
		{"00FF0000", "6D00"},                        // instruction
		{"00B000", "6700"},                          // not an APDU
		{"00B0000000", "6986"},                      // nothing selected
		{"00B0810000", "6A82"},                      // no application, no short ids
		{"00CA010108", "01020304050607089000"},      // chip serial, blank card too
		{"00CA010104", "6C08"},                      // with the length it has
		{"00CA010208", "6A88"},                      //
		{"00E0000015" + "621382013883025801" + "8407F0585545" + "4A49018A0101", "9000"}, // the application
		{"00E0000015" + "621382013883025802" + "8407F0585545" + "4A49018A0101", "6985"}, // not inside another
		{"00A4000C023F00", "9000"},
		{"00E0000015" + "621382013883025801" + "8407F0585545" + "4A49018A0101", "6A89"}, // identifier taken
		{"00E0000015" + "621382013883025802" + "8407F0585545" + "4A49018A0101", "6A8A"}, // name taken
		{"00A4040C07F0585545" + "4A4901", "9000"},
		{"00E0000018" + "621680020010" + "820101" + "83020101" + "880108" + "8603" + "0000FF" + "8A0101", "9000"}, // EF 0101, 16 bytes, short id 1
		{"00E0000018" + "621680020010" + "820101" + "83020101" + "880110" + "8603" + "0000FF" + "8A0101", "6A89"}, // identifier taken
		{"00E0000018" + "621680020010" + "820101" + "83020102" + "880108" + "8603" + "0000FF" + "8A0101", "6A89"}, // short id taken
		{"00E0000018" + "62168002FFFF" + "820101" + "83020102" + "880110" + "8603" + "0000FF" + "8A0101", "6A84"}, // no room
		{"00E0000018" + "621680020010" + "820101" + "83020102" + "880111" + "8603" + "0000FF" + "8A0101", "6A80"}, // short id ill-formed
		{"00E0000018" + "621680020010" + "820101" + "83020103" + "880118" + "8603" + "FFFFFF" + "8A0101", "9000"}, // EF 0103, nothing allowed
		{"00D6830001" + "AA", "9000"}, // not yet activated: rules do not bite
		{"00440000", "6985"},          // an EF is selected
		{"00A4040C07F0585545" + "4A4901", "9000"},
		{"00440000", "9000"},
		{"00440000", "9000"}, // again: nothing to do
		{"00E0000018" + "621680020010" + "820101" + "83020104" + "880120" + "8603" + "0000FF" + "8A0101", "6982"}, // activated: no more files
		{"00D6830001" + "AA", "6982"}, // never
		{"00B0830001", "6982"},
		{"00B0810010", strings.Repeat("00", 16) + "9000"},
		{"00B0810000", strings.Repeat("00", 16) + "9000"}, // Le 00: what there is
		{"00B0810011", strings.Repeat("00", 16) + "6282"}, // one byte more
		{"00B0811001", "6B00"},                            // offset at the end
		{"00D6810F02AABB", "6B00"},                        // beyond the end: nothing written
		{"00B0810F01", "009000"},
		{"00D6810F01AA", "9000"},
		{"00B0000F01", "AA9000"},                  // the short id selected the file
		{"00D6810F01AA00", "6700"},                // UPDATE BINARY expects nothing back
		{"00B0A10001", "6A86"},                    // bits 6 and 7 of P1
		{"00A4040007F0585545" + "4A4901", "6117"}, // no Le: the answer waits
		{"00C0000005", "6F158407F06112"},
		{"00C0000012", "585545" + "4A4901A50AC1080102030405060708" + "9000"},
		{"00C0000001", "6985"},     // nothing waits
		{"00B00000000010", "6700"}, // extended length
	} {
		cmd, err := hex.DecodeString(step.send)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Transmit(ctx, cmd)
		if err != nil || strings.ToUpper(hex.EncodeToString(got)) != step.want {
			t.Errorf("step %d, %s: %X, want %s: %v", i+1, step.send, got, step.want, err)
		}
	}
}

// TestFolder: two programs share a drawer; a card on a reader is the one's alone, and what it learnt is there for the other.
func TestFolder(t *testing.T) {
	ctx := context.Background()
	p := softProfile(t)
	dir := t.TempDir()
	one, err := cardsim.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	two, err := cardsim.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := one.Create("", "空白卡 1")
	if err != nil || !info.Blank {
		t.Fatal(info, err)
	}
	if _, err := one.Create("nonesuch", "x"); !errors.Is(err, cardsim.ErrKind) {
		t.Error("a card of another kind:", err)
	}
	c, err := one.Insert(info.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Insert(info.ID); !errors.Is(err, cardsim.ErrInUse) {
		t.Error("the same card on two readers:", err)
	}
	if l, err := two.List(ctx); err != nil || len(l) != 1 || !l[0].InUse || !l[0].Blank || l[0].Label != "空白卡 1" {
		t.Error(l, err)
	}
	for _, id := range []string{"nosuch", "../" + info.ID, ""} {
		if _, err := one.Insert(id); !errors.Is(err, cardsim.ErrNoCard) {
			t.Errorf("%q: %v", id, err)
		}
	}
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	if err := applet.Prepare(ctx, c, p, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	r, err := applet.Read(ctx, c, p)
	if err != nil {
		t.Fatal(err)
	}
	record, sealed := a.Issue(t, c.Serial(), 1, nil)
	if err := applet.Write(ctx, c, p, r, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	gone := c.Gone()
	if err := c.Eject(); err != nil {
		t.Fatal(err)
	}
	<-gone
	if _, err := c.Transmit(ctx, []byte{0, 0x84, 0, 0, 8}); !errors.Is(err, cardsim.ErrGone) {
		t.Error("an ejected card answers:", err)
	}
	c, err = two.Insert(info.ID)
	if err != nil {
		t.Fatal(err)
	}
	r, err = applet.Read(ctx, c, p)
	if err != nil || !bytes.Equal(r.Record, record) {
		t.Fatal("the other program finds another card", err)
	}
	if err := c.Eject(); err != nil {
		t.Fatal(err)
	}
	if err := two.SetLabel(info.ID, "第一张"); err != nil {
		t.Fatal(err)
	}
	l, err := one.List(ctx)
	if err != nil || len(l) != 1 || l[0].Blank || l[0].InUse || l[0].CardNo != "330000000000017" || l[0].Label != "第一张" {
		t.Error(l, err)
	}
}

// vpcd is the other end of ServeVPCD.
type vpcd struct{ net.Conn }

func (v vpcd) send(t *testing.T, b []byte) {
	t.Helper()
	// As vpcd does: length and body apart.
	for _, part := range [][]byte{binary.BigEndian.AppendUint16(nil, uint16(len(b))), b} {
		if _, err := v.Write(part); err != nil {
			t.Fatal(err)
		}
	}
}

func (v vpcd) receive(t *testing.T) []byte {
	t.Helper()
	var n [2]byte
	if _, err := io.ReadFull(v, n[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	if _, err := io.ReadFull(v, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestServeVPCD speaks vpcd's protocol to the card; pulling it ends the connection, which pcscd sees as removal.
func TestServeVPCD(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := cardsim.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cardsim.ServeVPCD(context.Background(), l.Addr().String(), c) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	v := vpcd{conn}
	if err := v.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	v.send(t, []byte{0x01})
	v.send(t, []byte{0x04})
	if got := v.receive(t); !bytes.Equal(got, cardsim.ATR()) {
		t.Fatalf("ATR % X", got)
	}
	v.send(t, []byte{0x00, 0xCA, 0x01, 0x01, 0x08})
	if got := v.receive(t); !bytes.Equal(got, append(c.Serial(), 0x90, 0x00)) {
		t.Fatalf("serial % X", got)
	}
	v.send(t, []byte{0x02})
	c.TearAt(cardsim.Tear{After: 1})
	v.send(t, []byte{0x00, 0xCA, 0x01, 0x01, 0x08})
	if _, err := io.Copy(io.Discard, v); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Logf("connection: %v", err) // a reset is as good as an end
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	if err := cardsim.ServeVPCD(context.Background(), dead, c); err == nil {
		t.Fatal("no vpcd and no error")
	}
}

// FuzzTransmit: no command panics the card or grows it past its memory.
func FuzzTransmit(f *testing.F) {
	p := softProfile(f)
	rec := &cardtest.Recorder{}
	fresh, err := cardsim.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	rec.Transmitter = fresh
	if err := applet.Prepare(context.Background(), rec, p, cardtest.WithKeys(p)); err != nil {
		f.Fatal(err)
	}
	seeds := 0
	for line := range strings.Lines(rec.Script.String()) {
		if h, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
			b, err := hex.DecodeString(h)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, b)
			seeds++
		}
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	image := fresh.Image()
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, start := range []func() (*cardsim.Card, error){
			func() (*cardsim.Card, error) { return cardsim.New(nil) },
			func() (*cardsim.Card, error) { return cardsim.FromImage(image) },
		} {
			c, err := start()
			if err != nil {
				t.Fatal(err)
			}
			for _, cmd := range [][]byte{a, b, a} {
				r, err := c.Transmit(context.Background(), cmd)
				if err != nil || len(r) < 2 || len(r) > 258 {
					t.Fatalf("% X: % X %v", cmd, r, err)
				}
			}
			if len(c.Image()) > 64<<10 {
				t.Fatal("the card grew")
			}
		}
	})
}
