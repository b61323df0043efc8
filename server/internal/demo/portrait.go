package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"sync"
)

// Portraits is how many drawn pictures there are; even ones have short hair.
const Portraits = 16

const (
	portraitW = 260 // 26 × 32 mm at 254 dpi
	portraitH = 320
)

var (
	portraitOnce [Portraits]sync.Once
	portraits    [Portraits][]byte
)

// Portrait is drawing i as a JPEG of 260 × 320 on light blue, under 20 KB; the same bytes each time. The caller must not change them.
func Portrait(i int) []byte {
	i = ((i % Portraits) + Portraits) % Portraits
	portraitOnce[i].Do(func() {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, draw(i), &jpeg.Options{Quality: 86}); err == nil {
			portraits[i] = b.Bytes()
		}
	})
	return portraits[i]
}

type shade struct{ r, g, b float64 }

func hex(c uint32) shade {
	return shade{float64(c >> 16 & 255), float64(c >> 8 & 255), float64(c & 255)}
}

// draw paints shapes back to front; each pixel is the mean of nine samples.
func draw(i int) image.Image {
	long := i%2 == 1
	skin := hex([]uint32{0xf3cfb0, 0xeec39f, 0xf6d8bd, 0xe5b58f}[i/2%4])
	hair := hex([]uint32{0x1d1a1a, 0x2a211d, 0x15151a, 0x33251e}[(i/2+i/4)%4])
	shirt := hex([]uint32{0xffffff, 0x1f5fa8, 0xb3321f, 0x0e6b5c, 0xf4f1e8, 0x2d3e66, 0xd8b25a, 0x6b4f8a}[i/2%8])
	wide := 0.94 + 0.03*float64(i/2%5)
	in := func(x, y, cx, cy, rx, ry float64) bool {
		dx, dy := (x-cx)/rx, (y-cy)/ry
		return dx*dx+dy*dy <= 1
	}
	at := func(x, y float64) shade {
		const cx = 130.0
		face := in(x, y, cx, 142, 58*wide, 74)
		switch {
		case face && y > 196 && math.Abs(x-cx) < 16 && in(x, y, cx, 178, 19, 22) && !in(x, y, cx, 171, 24, 22): // mouth
			return hex(0xc0605a)
		case in(x, y, cx-23*wide, 146, 5.5, 6.5), in(x, y, cx+23*wide, 146, 5.5, 6.5):
			return hex(0x231a17)
		case face && (in(x, y, cx-23*wide, 129, 13, 3.2) || in(x, y, cx+23*wide, 129, 13, 3.2)):
			return hair
		case face && in(x, y, cx, 170, 6, 3.6):
			return shade{skin.r * 0.88, skin.g * 0.82, skin.b * 0.78}
		}
		fringe := 100.0 + 10*math.Sin((x-cx)/(22+float64(i%5)*5)+float64(i))
		if in(x, y, cx, 122, 68*wide, 78) && (y < fringe || !in(x, y, cx, 150, 57*wide, 88)) && (y < 150 || long && y < 250) {
			return hair
		}
		if face || in(x, y, cx-60*wide, 150, 9, 15) || in(x, y, cx+60*wide, 150, 9, 15) {
			return skin
		}
		if long && in(x, y, cx, 170, 76*wide, 96) && y > 90 && y < 262 && math.Abs(x-cx) > 30 {
			return hair
		}
		if math.Abs(x-cx) < 23 && y > 190 && y < 246 {
			return shade{skin.r * 0.93, skin.g * 0.88, skin.b * 0.85}
		}
		if in(x, y, cx, 330, 112, 98) {
			if math.Abs(x-cx) < 26-(y-236)*0.5 && y < 288 { // collar
				return shade{skin.r * 0.95, skin.g * 0.91, skin.b * 0.88}
			}
			return shirt
		}
		return shade{0xa9 + y/32, 0xcf + y/32, 0xec}
	}
	im := image.NewRGBA(image.Rect(0, 0, portraitW, portraitH))
	for y := range portraitH {
		for x := range portraitW {
			var sum shade
			for k := range 9 {
				s := at(float64(x)+float64(k%3)/3+1.0/6, float64(y)+float64(k/3)/3+1.0/6)
				sum.r, sum.g, sum.b = sum.r+s.r, sum.g+s.g, sum.b+s.b
			}
			im.SetRGBA(x, y, color.RGBA{uint8(sum.r / 9), uint8(sum.g / 9), uint8(sum.b / 9), 255})
		}
	}
	return im
}
