package profiles

import "testing"

func TestShippedLoad(t *testing.T) {
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	p, ok := s.Match([]byte{0x3B, 0x88, 0x80, 0x01, 0x80, 0x56, 0x58, 0x55, 0x45, 0x4A, 0x49, 0x31, 0xA5})
	if !ok || p.Name != "xueji-soft" {
		t.Fatal("the software card's ATR is not claimed by xueji-soft")
	}
	for _, p := range s.All() {
		for _, st := range p.Prepare {
			if st.Each {
				continue
			}
			b, err := p.Fill(st, nil)
			t.Logf("%s: % X %v", p.Name, b, err)
		}
	}
}
