package cardsim_test

import (
	"context"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	profiles "xueji/firmware-profiles"
)

// TestFolderOfEveryKind: a card of any kind lies in the drawer as another left it, keys and record included.
func TestFolderOfEveryKind(t *testing.T) {
	ctx := context.Background()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	folder, err := cardsim.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	for _, kind := range cardsim.Kinds() {
		info, err := folder.Create(kind, "card "+kind)
		if err != nil || !info.Blank || info.Profile != kind {
			t.Fatalf("%s: %+v %v", kind, info, err)
		}
		p, ok := set.Get(kind)
		if !ok {
			t.Fatalf("%s has no profile", kind)
		}
		c, err := folder.Insert(info.ID)
		if err != nil {
			t.Fatal(err)
		}
		keys := cardtest.WithKeys(p)
		if err := applet.Prepare(ctx, c, p, keys); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		r, err := applet.Read(ctx, c, p)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		record, sealed := a.Issue(t, r.ChipSerial, 1, nil)
		if err := applet.Write(ctx, c, p, r, 1, record, sealed, keys); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if err := c.Eject(); err != nil {
			t.Fatal(err)
		}
		again, err := cardsim.OpenFolder(dir) // another program
		if err != nil {
			t.Fatal(err)
		}
		if info, err = again.Info(ctx, info.ID); err != nil || info.Blank || info.CardNo == "" || info.Profile != kind || info.Label != "card "+kind {
			t.Fatalf("%s: %+v %v", kind, info, err)
		}
		if c, err = again.Insert(info.ID); err != nil {
			t.Fatal(err)
		}
		if p.Has(profiles.Check) {
			if err := applet.Check(ctx, c, p, r.ChipSerial, keys); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
		}
		if err := c.Eject(); err != nil {
			t.Fatal(err)
		}
	}
}
