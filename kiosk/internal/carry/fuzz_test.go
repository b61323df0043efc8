package carry

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever the mount table says, a stick is a clean path below one of the roots, named once, in order; and a table read twice says the same.
func FuzzMedia(f *testing.F) {
	for _, s := range []string{
		"36 35 98:0 / /media/stick rw,nosuid,nodev - vfat /dev/sda1 rw\n", `36 35 98:0 / /run/media/xueji\040a rw - exfat /dev/sdb1 rw` + "\n",
		"36 35 98:0 / /media/cd ro,nosuid - iso9660 /dev/sr0 ro\n", "36 35 98:0 / /media rw - tmpfs tmpfs rw\n", "36 35 98:0 / /media/../etc rw - tmpfs tmpfs rw\n",
		`36 35 98:0 / /media/a\134040b rw - vfat x rw`, "", "\n\n", strings.Repeat("x", 1<<17) + "\n36 35 98:0 / /media/stick rw - vfat x rw\n",
	} {
		f.Add(s)
	}
	roots := []string{"/media", "/run/media/"}
	if got := media(strings.NewReader("36 35 98:0 / /media/stick rw,nosuid - vfat /dev/sda1 rw\n"+`1 2 3:4 / /run/media/a\040b rw - exfat x rw`), roots); !slices.Equal(got, []string{"/media/stick", "/run/media/a b"}) {
		f.Fatal(got)
	}
	f.Fuzz(func(t *testing.T, table string) {
		got := media(strings.NewReader(table), roots)
		for i, at := range got {
			if at != filepath.Clean(at) || !strings.HasPrefix(at, "/media/") && !strings.HasPrefix(at, "/run/media/") || i > 0 && got[i-1] >= at {
				t.Fatalf("%q", got)
			}
		}
		if again := media(strings.NewReader(table), roots); !slices.Equal(got, again) {
			t.Fatalf("%q, then %q", got, again)
		}
	})
}
