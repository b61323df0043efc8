package document

import (
	"encoding/binary"
	"math"

	"golang.org/x/image/font/sfnt"
)

// em is the size of the em square of every glyph in this package, in font units.
const em = 1000

type point struct {
	x, y float64
	on   bool
}

// outline is a glyph's shape as closed contours of quadratic curves, y upwards, in units of em.
type outline [][]point

// outlineOf turns loaded segments (26.6 fixed at em pixels, y downwards) into quadratic contours. Cubics are split so that no point is further than half
// a unit from the curve it stands for.
func outlineOf(segs sfnt.Segments) outline {
	var out outline
	var cur []point
	pt := func(i int, s sfnt.Segment) point {
		return point{float64(s.Args[i].X) / 64, -float64(s.Args[i].Y) / 64, true}
	}
	flush := func() {
		if n := len(cur); n > 1 && cur[0].x == cur[n-1].x && cur[0].y == cur[n-1].y && cur[n-1].on {
			cur = cur[:n-1] // contours close by themselves
		}
		if len(cur) > 1 {
			out = append(out, cur)
		}
		cur = nil
	}
	for _, s := range segs {
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			flush()
			cur = append(cur, pt(0, s))
		case sfnt.SegmentOpLineTo:
			cur = append(cur, pt(0, s))
		case sfnt.SegmentOpQuadTo:
			c := pt(0, s)
			c.on = false
			cur = append(cur, c, pt(1, s))
		case sfnt.SegmentOpCubeTo:
			if len(cur) == 0 {
				continue
			}
			cur = appendCubic(cur, cur[len(cur)-1], pt(0, s), pt(1, s), pt(2, s))
		}
	}
	flush()
	return out
}

// appendCubic approximates one cubic by n quadratics; the error of the mid-point rule falls with n³.
func appendCubic(dst []point, p0, p1, p2, p3 point) []point {
	const tolerance = 0.5
	dx, dy := p3.x-3*p2.x+3*p1.x-p0.x, p3.y-3*p2.y+3*p1.y-p0.y
	n := int(math.Ceil(math.Cbrt(math.Hypot(dx, dy) * math.Sqrt(3) / 36 / tolerance)))
	n = max(1, min(n, 16))
	at := func(t float64) (x, y, tx, ty float64) {
		u := 1 - t
		x = u*u*u*p0.x + 3*u*u*t*p1.x + 3*u*t*t*p2.x + t*t*t*p3.x
		y = u*u*u*p0.y + 3*u*u*t*p1.y + 3*u*t*t*p2.y + t*t*t*p3.y
		tx = 3*u*u*(p1.x-p0.x) + 6*u*t*(p2.x-p1.x) + 3*t*t*(p3.x-p2.x)
		ty = 3*u*u*(p1.y-p0.y) + 6*u*t*(p2.y-p1.y) + 3*t*t*(p3.y-p2.y)
		return
	}
	h := 1 / float64(n)
	x0, y0, tx0, ty0 := at(0)
	for i := 1; i <= n; i++ {
		x1, y1, tx1, ty1 := at(float64(i) * h)
		// The sub-cubic's handles are tangents × h/3; the quadratic's control is (3(c1+c2) − p0 − p3)/4.
		c1x, c1y, c2x, c2y := x0+tx0*h/3, y0+ty0*h/3, x1-tx1*h/3, y1-ty1*h/3
		dst = append(dst, point{(3*(c1x+c2x) - x0 - x1) / 4, (3*(c1y+c2y) - y0 - y1) / 4, false}, point{x1, y1, true})
		x0, y0, tx0, ty0 = x1, y1, tx1, ty1
	}
	return dst
}

// place scales and moves an outline.
func (o outline) place(scale, dx, dy float64) outline {
	out := make(outline, len(o))
	for i, c := range o {
		out[i] = make([]point, len(c))
		for j, p := range c {
			out[i][j] = point{p.x*scale + dx, p.y*scale + dy, p.on}
		}
	}
	return out
}

// rect is a contour; reverse makes a hole of it.
func rect(x0, y0, x1, y1 float64, reverse bool) []point {
	c := []point{{x0, y0, true}, {x0, y1, true}, {x1, y1, true}, {x1, y0, true}}
	if reverse {
		c[1], c[3] = c[3], c[1]
	}
	return c
}

// Flags of a simple glyph's points (OpenType, "glyf").
const (
	flagOn     = 1 << 0
	flagXShort = 1 << 1
	flagYShort = 1 << 2
	flagXSame  = 1 << 4 // or: the short x is positive
	flagYSame  = 1 << 5
)

// glyf encodes the outline as a simple TrueType glyph, padded to four bytes, and its bounding box. An empty outline is no bytes.
func (o outline) glyf() (data []byte, box [4]int) {
	if len(o) == 0 {
		return nil, box
	}
	box = [4]int{math.MaxInt16, math.MaxInt16, math.MinInt16, math.MinInt16}
	var flags, xs, ys []byte
	var ends []uint16
	n, px, py := 0, 0, 0
	delta := func(dst []byte, d int, short, same byte) ([]byte, byte) {
		switch {
		case d == 0:
			return dst, same
		case d > 0 && d < 256:
			return append(dst, byte(d)), short | same
		case d < 0 && d > -256:
			return append(dst, byte(-d)), short
		}
		return binary.BigEndian.AppendUint16(dst, uint16(int16(d))), 0
	}
	for _, c := range o {
		for _, p := range c {
			x, y := int(math.Round(p.x)), int(math.Round(p.y))
			box = [4]int{min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)}
			var f, g byte
			if p.on {
				f = flagOn
			}
			xs, g = delta(xs, x-px, flagXShort, flagXSame)
			f |= g
			ys, g = delta(ys, y-py, flagYShort, flagYSame)
			flags = append(flags, f|g)
			px, py = x, y
			n++
		}
		ends = append(ends, uint16(n-1))
	}
	data = make([]byte, 0, 12+2*len(ends)+len(flags)+len(xs)+len(ys)+3)
	data = binary.BigEndian.AppendUint16(data, uint16(len(ends)))
	for _, v := range box {
		data = binary.BigEndian.AppendUint16(data, uint16(int16(v)))
	}
	for _, e := range ends {
		data = binary.BigEndian.AppendUint16(data, e)
	}
	data = append(data, 0, 0) // no instructions
	data = append(append(append(data, flags...), xs...), ys...)
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	return data, box
}
