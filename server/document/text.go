package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const ptPerMM = 72 / 25.4

// width is a text's width in mm at a size in points, without letter spacing.
func (t *typeset) width(s style, pt float64, text string) float64 {
	w := 0
	for _, r := range text {
		if g := t.glyph(s, r); g != nil {
			w += g.advance
		}
	}
	return float64(w) * pt / em / ptPerMM
}

// noStart may not begin a line, noEnd may not end one (GB/T 15834-2011, 5.1).
const (
	noStart = "，。、；：？！）》〉」』】〕”’…—·％%,.;:?!)]}〗〞～~°℃"
	noEnd   = "（《〈「『【〔“‘([{〖〝￥＄$#"
)

func isWord(r rune) bool {
	return r < 0x2e80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_/.@*'&+", r))
}

// mayBreak reports whether a line may end between a and b.
func mayBreak(a, b rune) bool {
	switch {
	case strings.ContainsRune(noStart, b), strings.ContainsRune(noEnd, a), b == ' ':
		return false
	case a == ' ':
		return true
	case isWord(a) && isWord(b):
		return false
	}
	return true
}

// lines breaks text to a width in mm. Chinese breaks between any two characters but for the punctuation rules; words and numbers stay whole while they fit.
// "\n" begins a new line. No character is lost.
func (t *typeset) lines(s style, pt float64, text string, width float64) []string {
	var out []string
	for _, para := range strings.Split(text, "\n") {
		out = append(out, t.wrap(s, pt, para, width)...)
	}
	return out
}

func (t *typeset) wrap(s style, pt float64, text string, width float64) []string {
	limit := width * ptPerMM / pt * em
	var out []string
	for {
		w, at, last := 0.0, 0, -1 // last: the last place where a break is allowed
		var prev rune
		over := false
		for i, r := range text {
			if i > 0 && mayBreak(prev, r) {
				last = i
			}
			if g := t.glyph(s, r); g != nil {
				w += float64(g.advance)
			}
			if w > limit+0.5 && i > 0 && r != ' ' {
				over, at = true, i
				break
			}
			prev = r
		}
		if !over {
			return append(out, strings.TrimRight(text, " "))
		}
		if last > 0 {
			at = last
		}
		out = append(out, strings.TrimRight(text[:at], " "))
		text = strings.TrimLeft(text[at:], " ")
		if text == "" {
			return out
		}
	}
}

// fitted is text that was made to fit a box.
type fitted struct {
	lines   []string
	pt      float64
	leading float64 // mm from baseline to baseline
	stretch float64 // horizontal scale, 1 or less
}

// fit finds the largest size from most down to least, at which text fits a box of w × h mm; line breaks are allowed when h leaves room. Under least the
// lines are made narrower, so that nothing is ever clipped.
func (t *typeset) fit(s style, text string, w, h, most, least float64) fitted {
	const lead = 1.28
	if one := t.width(s, most, text); one > w && !strings.Contains(text, "\n") {
		// A little smaller on one line reads better than two lines.
		if pt := most * w / one * 0.999; pt >= most*0.8 && pt >= least {
			return fitted{[]string{text}, pt, pt * lead / ptPerMM, 1}
		}
	}
	for pt := most; ; pt -= 0.25 {
		if pt < least {
			pt = least
		}
		leading := pt * lead / ptPerMM
		room := max(1, int((h-pt/ptPerMM)/leading+1.02))
		if t.width(s, pt, text) <= w && !strings.Contains(text, "\n") {
			return fitted{[]string{text}, pt, leading, 1}
		}
		if room > 1 {
			if ls := t.lines(s, pt, text, w); len(ls) <= room {
				return fitted{t.balance(s, pt, ls, w), pt, leading, 1}
			}
		}
		if pt > least {
			continue
		}
		// Too long for the least size: share the characters out over the lines there are, then narrow them.
		ls := t.lines(s, pt, text, max(w, t.width(s, pt, text)/float64(room)*1.08))
		for len(ls) > room { // hard line breaks beyond the room are joined
			n := len(ls)
			ls = append(ls[:n-2], ls[n-2]+ls[n-1])
		}
		widest := w
		for _, l := range ls {
			widest = max(widest, t.width(s, pt, l))
		}
		return fitted{ls, pt, leading, w / widest}
	}
}

// balance evens a name or title of two lines, so that no single character hangs alone.
func (t *typeset) balance(s style, pt float64, ls []string, w float64) []string {
	if len(ls) != 2 || utf8.RuneCountInString(ls[1]) > 2 {
		return ls
	}
	text := ls[0] + ls[1]
	if even := t.lines(s, pt, text, t.width(s, pt, text)*0.56); len(even) == 2 && t.width(s, pt, even[0]) <= w && t.width(s, pt, even[1]) <= w {
		return even
	}
	return ls
}
