package document

import "fmt"

// A label sheet holds ten faces of ID-1 size on A4, two by five. Rows touch, columns leave a gap; the margins hold marks to cut along, outside every face.
const (
	labelCols, labelRows = 2, 5
	labelGap             = 6.0
	labelX               = (a4W - labelCols*cardW - (labelCols-1)*labelGap) / 2
	labelY               = (a4H - labelRows*cardH) / 2
)

// Labels makes sheets of card faces for adhesive A4 labels, in the order given, ten to a page, with crop marks. To print at 100 %. Errors as Faces.
func (m *Maker) Labels(fs []Face) ([]byte, error) {
	s := m.sheet("学生卡卡面（标签纸）", a4W, a4H)
	const each = labelCols * labelRows
	pages := max(1, (len(fs)+each-1)/each)
	for p := range pages {
		s.page()
		on := fs[p*each : min(len(fs), (p+1)*each)]
		for i := range on {
			if err := m.face(s, &on[i], labelX+float64(i%labelCols)*(cardW+labelGap), labelY+float64(i/labelCols)*cardH); err != nil {
				return nil, err
			}
		}
		if len(on) > 0 {
			s.cropMarks((len(on)+labelCols-1)/labelCols, min(len(on), labelCols))
		}
		s.text(a4W/2, a4H-4, fmt.Sprintf("按 100%% 打印，不要缩放 · 第 %d 页，共 %d 页", p+1, pages), write{style: sans, pt: 6.5, ink: pale, align: centre})
	}
	return s.finish()
}

// cropMarks draws the lines to cut along, in the margins and in the gap alone: never on a face.
func (s *sheet) cropMarks(rows, cols int) {
	const far, near, w = 6.0, 1.2, 0.15
	for r := range rows + 1 {
		y := labelY + float64(r)*cardH
		for c := range cols {
			x := labelX + float64(c)*(cardW+labelGap)
			if c == 0 {
				s.line(x-far, y, x-near, y, w, black)
			}
			if c == cols-1 {
				s.line(x+cardW+near, y, x+cardW+far, y, w, black)
			} else {
				s.line(x+cardW+near, y, x+cardW+labelGap-near, y, w, black)
			}
		}
	}
	bottom := labelY + float64(rows)*cardH
	for c := range cols {
		for _, x := range []float64{labelX + float64(c)*(cardW+labelGap), labelX + float64(c)*(cardW+labelGap) + cardW} {
			s.line(x, labelY-far, x, labelY-near, w, black)
			s.line(x, bottom+near, x, bottom+far, w, black)
		}
	}
}
