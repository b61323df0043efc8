package camera_test

import (
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"xueji/kiosk/internal/camera"

	"github.com/skip2/go-qrcode"
)

// cover is a code as an archive's cover carries it: a number and 64 bytes of signature.
const cover = "XJA1.DA-7K2M-9QXF-31.mF3v0yq8Yc2nTq1rKkE8x5bU9aW7sD4fG6hJ0lZxCvBnM1qWeRtYuIoPaSdFgHjKlZxCvBnM1qWeRtYuIoPaSg"

func frame(w, h int, at func(x, y int) byte) []byte {
	b := make([]byte, 4, 4+w*h)
	binary.BigEndian.PutUint16(b, uint16(w))
	binary.BigEndian.PutUint16(b[2:], uint16(h))
	for y := range h {
		for x := range w {
			b = append(b, at(x, y))
		}
	}
	return b
}

// held is a paper with a code before a camera: turned by degrees, in uneven light, with the noise of a cheap lens.
func held(t testing.TB, text string, side int, degrees float64) []byte {
	t.Helper()
	q, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		t.Fatal(err)
	}
	size := side * 5 / 8
	img := q.Image(size)
	rnd := rand.New(rand.NewPCG(1, uint64(side)))
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	mid := float64(side) / 2
	return frame(side, side, func(x, y int) byte {
		dx, dy := float64(x)-mid, float64(y)-mid
		p := image.Pt(int(dx*cos+dy*sin)+size/2, int(dy*cos-dx*sin)+size/2)
		v := 150.0
		if p.In(img.Bounds()) {
			v = float64(color.GrayModel.Convert(img.At(p.X, p.Y)).(color.Gray).Y)
		}
		v = 40 + v*0.55*(0.6+0.4*float64(x)/float64(side)) + rnd.Float64()*24
		return byte(min(v, 255))
	})
}

// A code is read as people hold it; where there is none, nothing is read.
func TestDecode(t *testing.T) {
	for _, side := range []int{480, 720} {
		for _, degrees := range []float64{0, 12, 90, 200} {
			if got, err := camera.Decode(held(t, cover, side, degrees)); err != nil || got != cover {
				t.Errorf("%d px, %v°: %q %v", side, degrees, got, err)
			}
		}
	}
	if got, err := camera.Decode(frame(64, 64, func(int, int) byte { return 200 })); got != "" || err != nil {
		t.Errorf("a blank wall says %q %v", got, err)
	}
	if got, err := camera.Decode(held(t, strings.Repeat("9", camera.MaxText+500), 1024, 0)); got != "" || err != nil {
		t.Errorf("%d characters %v", len(got), err)
	}
}

// Sizes: 64 and 1024 a side and exactly one byte a pixel are a frame, one less or more is none.
func TestBounds(t *testing.T) {
	grey := func(int, int) byte { return 128 }
	for _, c := range []struct {
		w, h, more int
		ok         bool
	}{{64, 64, 0, true}, {1024, 64, 0, true}, {64, 1024, 0, true}, {63, 64, 0, false}, {64, 63, 0, false}, {1025, 64, 0, false}, {64, 1025, 0, false}, {0, 0, 0, false},
		{65535, 65535, 0, false}, {64, 64, 1, false}, {64, 64, -1, false}} {
		raw := make([]byte, 4)
		binary.BigEndian.PutUint16(raw, uint16(c.w))
		binary.BigEndian.PutUint16(raw[2:], uint16(c.h))
		if n := c.w*c.h + c.more; n < 1<<21 {
			raw = append(raw, frame(1, n, grey)[4:]...)
		}
		if _, err := camera.Decode(raw); (err == nil) != c.ok || err != nil && !errors.Is(err, camera.ErrFrame) {
			t.Errorf("%d×%d%+d: %v", c.w, c.h, c.more, err)
		}
	}
	for n := range 4 {
		if _, err := camera.Decode(make([]byte, n)); !errors.Is(err, camera.ErrFrame) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// Whatever the bytes are, the answer is a text within its bound or ErrFrame, never a fault.
func FuzzDecode(f *testing.F) {
	f.Add(held(f, "XJA1.DA-7K2M-9QXF-31.c2ln", 96, 0))
	f.Add(frame(64, 64, func(x, y int) byte { return byte(x * y) }))
	f.Add([]byte{0, 64, 0, 64})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := camera.Decode(raw)
		if len(text) > camera.MaxText || err != nil && (text != "" || !errors.Is(err, camera.ErrFrame)) {
			t.Fatalf("%d bytes of text, %v", len(text), err)
		}
	})
}
