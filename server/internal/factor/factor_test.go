package factor

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"
)

// RFC 6238 appendix B, SHA-1 rows, cut to six digits: secret "12345678901234567890".
func TestReferenceCodes(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := Code(secret, Step(time.Unix(at, 0))); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

func TestCodeIsGoodOnceAndNear(t *testing.T) {
	secret := NewSecret()
	now := time.Unix(1_800_000_015, 0)
	step := Step(now)
	for off := int64(-3); off <= 3; off++ {
		_, ok := Check(secret, Code(secret, step+off), now, 0)
		if want := off >= -Skew && off <= Skew; ok != want {
			t.Errorf("a code %d steps off: %v", off, ok)
		}
	}
	got, ok := Check(secret, Code(secret, step), now, step-1)
	if !ok || got != step {
		t.Fatal("the first use")
	}
	for _, later := range []time.Duration{0, 5 * time.Second, Period} {
		if _, ok := Check(secret, Code(secret, step), now.Add(later), got); ok {
			t.Errorf("the same code again after %s", later)
		}
	}
	if _, ok := Check(secret, Code(secret, step-1), now, got); ok {
		t.Error("an older code after a newer one")
	}
	if _, ok := Check(secret, " "+Code(secret, step)[:3]+" "+Code(secret, step)[3:], now, 0); !ok {
		t.Error("typed in two groups")
	}
	full := strings.Map(func(r rune) rune { return r - '0' + '０' }, Code(secret, step))
	if _, ok := Check(secret, full, now, 0); !ok {
		t.Error("typed in full width")
	}
	for _, bad := range []string{"", "x", "00000", "0000000", Code(secret, step) + "0"} {
		if _, ok := Check(secret, bad, now, 0); ok {
			t.Errorf("%q got through", bad)
		}
	}
}

func TestURI(t *testing.T) {
	u, err := url.Parse(URI([]byte("12345678901234567890"), "学籍 云河", "li.yunhe"))
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/学籍 云河:li.yunhe" {
		t.Fatal(u, err)
	}
	if u.Query().Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || u.Query().Get("issuer") != "学籍 云河" {
		t.Fatal(u.RawQuery)
	}
	if strings.Contains(u.RawQuery, "+") {
		t.Fatal("apps read + as a plus sign")
	}
}

func TestRecovery(t *testing.T) {
	codes, hashes := NewRecovery()
	seen := map[string]bool{}
	for i, c := range codes {
		if seen[c] || len(c) != 12 {
			t.Fatalf("%q", codes)
		}
		seen[c] = true
		if !bytes.Equal(HashRecovery(strings.ToLower(strings.ReplaceAll(c, "-", " "))), hashes[i]) {
			t.Fatal("typed without care")
		}
	}
	if bytes.Equal(HashRecovery("x"), hashes[0]) {
		t.Fatal("another code")
	}
}

func TestRelyingHosts(t *testing.T) {
	for in, want := range map[string]string{"": "", "http://127.0.0.1:7000": "localhost", "https://xueji.example.cn": "xueji.example.cn", "http://10.1.2.3:7000": "", "http://[::1]:7000": "localhost"} {
		r, err := NewRelying(in, "学籍")
		if err != nil {
			t.Fatal(in, err)
		}
		if got := ""; r != nil {
			got = r.Host()
			if got != want {
				t.Errorf("%s: %s", in, got)
			}
		} else if want != "" {
			t.Errorf("%s: none, want %s", in, want)
		}
	}
}

// Whatever an authenticator sends, it is refused or understood.
func FuzzProve(f *testing.F) {
	r, err := NewRelying("https://xueji.example.cn", "学籍")
	if err != nil {
		f.Fatal(err)
	}
	_, kept, err := r.BeginProve(Holder{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"AA"}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if _, _, err := r.Prove(kept, answer, func(string) (Holder, error) { return Holder{Handle: "h"}, nil }); err == nil {
			t.Fatalf("%q proves something", answer)
		}
	})
}
