package document

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// target is a picture of w × h: green, with a red disc in its middle whose diameter is the shorter side.
func target(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	r := float64(min(w, h)) / 2
	for y := range h {
		for x := range w {
			c := color.RGBA{0, 160, 0, 255}
			if math.Hypot(float64(x)+0.5-float64(w)/2, float64(y)+0.5-float64(h)/2) < r {
				c = color.RGBA{200, 0, 0, 255}
			}
			m.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPhotoCropped: a photo of any ratio fills 26 × 32 mm with its middle, neither stretched nor beyond the frame; without a photo a figure stands there.
func TestPhotoCropped(t *testing.T) {
	if photoW != 26 || photoH != 32 {
		t.Fatalf("%v × %v mm", photoW, photoH)
	}
	const dpi = 150
	px := func(mm float64) int { return int(math.Round(mm * dpi / 25.4)) }
	for _, size := range [][2]int{{260, 320}, {900, 300}, {300, 900}, {480, 640}, {0, 0}} {
		f := cardFace(rareName)
		f.Photo = nil
		if size[0] > 0 {
			f.Photo = target(t, size[0], size[1])
		}
		pdf, err := newMaker(t).Faces([]Face{f})
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "face")
		run(t, "pdftoppm", "-r", "150", "-png", "-singlefile", file(t, pdf), out)
		b, err := os.ReadFile(out + ".png")
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		// Where red and green are is where the photo is.
		box, red := image.Rectangle{}, image.Rectangle{}
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				r, g, bl, _ := m.At(x, y).RGBA()
				at := image.Rect(x, y, x+1, y+1)
				isRed, isGreen := r>>8 > 150 && g>>8 < 60 && bl>>8 < 60, g>>8 > 120 && r>>8 < 60 && bl>>8 < 60
				if isRed || isGreen {
					box = box.Union(at)
				}
				if isRed {
					red = red.Union(at)
				}
			}
		}
		if size[0] == 0 {
			if !box.Empty() {
				t.Errorf("no photo, and a picture at %v", box)
			}
			continue
		}
		near := func(got, want int) bool { return got >= want-3 && got <= want+3 }
		if !near(box.Dx(), px(photoW)) || !near(box.Dy(), px(photoH)) {
			t.Errorf("%v: the photo takes %v, 26 × 32 mm are %d × %d", size, box.Size(), px(photoW), px(photoH))
		}
		// The disc stays round, in the middle; what does not fit is cut off on both sides alike.
		scale := max(photoW/float64(size[0]), photoH/float64(size[1]))
		d := float64(min(size[0], size[1])) * scale
		if !near(red.Dx(), px(min(d, photoW))) || !near(red.Dy(), px(min(d, photoH))) {
			t.Errorf("%v: the disc is %v, %.1f mm across are %d", size, red.Size(), d, px(d))
		}
		if c, want := red.Min.Add(red.Max), box.Min.Add(box.Max); !near(c.X, want.X) || !near(c.Y, want.Y) {
			t.Errorf("%v: the disc lies at %v in %v", size, red, box)
		}
	}
}
