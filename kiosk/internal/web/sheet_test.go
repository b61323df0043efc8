package web

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// picture is the glass at half its size.
func picture(t *testing.T, ctx context.Context) image.Image {
	t.Helper()
	raw, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	src, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	full := image.NewRGBA(src.Bounds())
	draw.Draw(full, full.Bounds(), src, image.Point{}, draw.Src)
	out := image.NewRGBA(image.Rect(0, 0, full.Bounds().Dx()/2, full.Bounds().Dy()/2))
	for y := range out.Bounds().Dy() {
		for x := range out.Bounds().Dx() {
			i := full.PixOffset(2*x, 2*y)
			for c := range 3 {
				sum := int(full.Pix[i+c]) + int(full.Pix[i+c+4]) + int(full.Pix[i+c+full.Stride]) + int(full.Pix[i+c+full.Stride+4])
				out.Pix[out.PixOffset(x, y)+c] = byte(sum / 4)
			}
			out.Pix[out.PixOffset(x, y)+3] = 255
		}
	}
	return out
}

// keep writes pictures into one PNG, beside or below one another, in few colours.
func keep(t *testing.T, path string, pictures []image.Image, beside bool) {
	t.Helper()
	const gap = 12
	w, h := pictures[0].Bounds().Dx(), pictures[0].Bounds().Dy()
	at := func(i int) image.Point {
		if beside {
			return image.Pt(i*(w+gap), 0)
		}
		return image.Pt(i%2*(w+gap), i/2*(h+gap))
	}
	var size image.Rectangle
	for i := range pictures {
		size = size.Union(image.Rectangle{at(i), at(i).Add(image.Pt(w, h))})
	}
	sheet := image.NewRGBA(size)
	draw.Draw(sheet, size, image.NewUniform(color.Gray{200}), image.Point{}, draw.Src)
	counts := map[color.RGBA]int{}
	for i, p := range pictures {
		draw.Draw(sheet, image.Rectangle{at(i), at(i).Add(image.Pt(w, h))}, p, image.Point{}, draw.Src)
	}
	coarse := func(c color.RGBA) color.RGBA { return color.RGBA{c.R &^ 7, c.G &^ 7, c.B &^ 7, 255} }
	exact := map[color.RGBA]map[color.RGBA]int{}
	for i := 0; i < len(sheet.Pix); i += 4 {
		c := color.RGBA{sheet.Pix[i], sheet.Pix[i+1], sheet.Pix[i+2], 255}
		k := coarse(c)
		counts[k]++
		if exact[k] == nil {
			exact[k] = map[color.RGBA]int{}
		}
		exact[k][c]++
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return cmp.Compare(counts[b], counts[a]) })
	var palette color.Palette
	nearest := map[color.RGBA]uint8{}
	for i, k := range keys[:min(len(keys), 96)] {
		best, n := k, 0
		for c, m := range exact[k] {
			if m > n {
				best, n = c, m
			}
		}
		palette = append(palette, best)
		nearest[k] = uint8(i)
	}
	out := image.NewPaletted(size, palette)
	for i, j := 0, 0; i < len(sheet.Pix); i, j = i+4, j+1 {
		k := coarse(color.RGBA{sheet.Pix[i], sheet.Pix[i+1], sheet.Pix[i+2], 255})
		n, ok := nearest[k]
		if !ok {
			n = uint8(palette.Index(k))
			nearest[k] = n
		}
		out.Pix[j] = n
	}
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	err := enc.Encode(&b, out)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
