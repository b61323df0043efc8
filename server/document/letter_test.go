package document

import (
	"os"
	"strings"
	"testing"
)

// A letter of seven points stands on one page; a long order flows over pages and loses nothing of its end.
func TestLetter(t *testing.T) {
	m, err := NewMaker(Options{})
	if err != nil {
		t.Fatal(err)
	}
	pages := func(l Letter) int {
		t.Helper()
		b, err := m.Letter(l)
		if err != nil {
			t.Fatal(err)
		}
		if out := os.Getenv("XUEJI_LETTER_OUT"); out != "" {
			if err := os.WriteFile(out, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return strings.Count(string(b), "/Type /Page\n")
	}
	l := Letter{Title: "学籍管理告知书", To: "各位家长：", Paras: []string{strings.Repeat("为保障孩子受教育的权利，", 7)}, After: []string{strings.Repeat("办理不收费。", 12)}, Sign: "云河区实验小学", On: "2026-11-28", Seal: "学校盖章处", PrintedOn: "2026-11-28"}
	for range 7 {
		l.Points = append(l.Points, [2]string{"转学", strings.Repeat("由转入学校在系统中办理，", 7)})
	}
	if n := pages(l); n != 1 {
		t.Errorf("%d pages", n)
	}
	if n := pages(Letter{Title: "责令改正通知书", No: "ZG-2026-330106-0001", To: "欧阳𬀩小学：", Paras: []string{strings.Repeat("限期改正。", 400)}, Sign: "云河区教育局", On: "2026-11-28", Seal: "盖章处"}); n < 2 {
		t.Errorf("%d pages", n)
	}
}
