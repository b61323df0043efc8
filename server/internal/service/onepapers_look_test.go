package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xueji/server/document"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// scanned are the codes on the first page of a drawn paper, as a reader on the desk takes them.
func scanned(t *testing.T, b []byte) []string {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, "p.pdf")
	if err := os.WriteFile(at, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("pdftoppm", "-r", "200", "-l", "1", "-singlefile", "-png", at, filepath.Join(dir, "p")).CombinedOutput(); err != nil {
		t.Fatalf("pdftoppm: %v %s", err, out)
	}
	out, err := exec.Command("zbarimg", "--nodbus", "-q", "--raw", filepath.Join(dir, "p.png")).Output()
	if err != nil {
		t.Fatalf("no code is read: %v", err)
	}
	return strings.Fields(string(out))
}

// TestPapersOfOnePupilLook draws by the real Maker what goes with one pupil's transfer and card: the family's receipt, cover and slip, the receipt of the archive, the card's
// face, labels, and the class's slip. What must stand on them stands, the whole number nowhere, and the codes read as what they say; a unit without a part in it gets none.
func TestPapersOfOnePupilLook(t *testing.T) {
	r := newRig(t)
	m, err := document.NewMaker(document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.authority()
	r.s.papers, r.s.publicURL = m, "https://xueji.example"
	reg, there, clerk := r.staff("registrar.yunhe"), r.staff("registrar.qingshi"), r.staff("clerk.yunhe")
	uid := r.enrolled(0)
	r.named(uid, "欧阳𬀩")
	r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}, {No: 2, Group: 2, Title: "户口簿复印件", Pages: 3, Copy: true}}})
	p := r.pupil(uid)
	reads := func(name string, b []byte, err error, words ...string) {
		t.Helper()
		got := shown(t, name, b, err)
		for _, w := range words {
			if !strings.Contains(got, w) {
				t.Errorf("%s does not read %q:\n%.600s", name, w, got)
			}
		}
		if strings.Contains(got, string(p.Number)) || strings.Contains(got, p.Form[registry.FIDNumber]) {
			t.Errorf("%s shows the whole number", name)
		}
	}

	// The card: made, printed on, and waiting with its class.
	_, err = r.s.CardFace(r.ctx, clerk, []registry.UID{uid})
	wantCode(t, err, registry.CodeWrongState) // there is none yet
	r.issue(uid, chipA)
	card := r.pupil(uid).Card
	face, err := r.s.CardFace(r.ctx, clerk, []registry.UID{uid})
	reads("face", face, err, "欧阳𬀩", "云河区实验小学", strings.ReplaceAll(card.Number, " ", ""))
	if got := scanned(t, face); len(got) != 1 || got[0] != r.s.seal("XJC1", card.Number) {
		t.Errorf("the face's code: %q", got)
	}
	b, err := r.s.CardLabels(r.ctx, clerk, []registry.UID{uid})
	reads("labels", b, err, "欧阳𬀩", card.Number)
	b, err = r.s.DeliverySlip(r.ctx, reg, demo.YunheShiyan, 0, "")
	reads("delivery", b, err, "欧阳𬀩", card.Number, "云河区实验小学", strings.ReplaceAll(p.Class, " ", ""))
	if n, err := r.s.DeliverCards(r.ctx, reg, []registry.UID{uid}); err != nil || n != 1 {
		t.Fatalf("%d handed out: %v", n, err)
	}
	_, err = r.s.DeliverySlip(r.ctx, reg, demo.YunheShiyan, 0, "")
	wantCode(t, err, registry.CodeWrongState) // signed for: nobody waits

	// The transfer: what the family takes home, then what travels, then what comes back.
	no := must[registry.CaseNo](t)(r.s.StartTransfer(r.ctx, there, uid, registry.StartTransfer{ToGrade: 1, Reason: "family_moved", Guardian: "母亲"}))
	b, err = r.s.CaseReceipt(r.ctx, there, uid, no)
	reads("case-receipt", b, err, "转学受理回执", string(no), "欧阳*", "云河区实验小学", "青石镇中心小学", "云河区教育局")
	if strings.Contains(shown(t, "case-receipt", b, nil), "欧阳𬀩") {
		t.Error("a slip that lies about shows the whole name")
	}
	codes := scanned(t, b)
	if len(codes) != 1 || !strings.HasPrefix(codes[0], "https://xueji.example"+CheckPath) {
		t.Fatalf("the receipt's code: %q", codes)
	}
	if genuine := must[CheckedPaper](t)(r.s.CheckPaper(r.ctx, strings.TrimPrefix(codes[0], "https://xueji.example"+CheckPath))); genuine.Kind != FormReceipt || genuine.Unit != there.Unit {
		t.Errorf("what anybody is told of it: %+v", genuine)
	}
	_, err = r.s.CaseReceipt(r.ctx, there, uid, "ZX-2026-0000-999999")
	wantCode(t, err, registry.CodeNotFound)
	_, err = r.s.CaseReceipt(r.ctx, r.staff("registrar.yunhe2"), uid, no)
	wantCode(t, err, registry.CodeNotFound)
	_, err = r.s.ArchiveCover(r.ctx, reg, uid)
	wantCode(t, err, registry.CodeWrongState) // nothing has been sent
	for _, login := range []string{"leader.qingshi", "officer.qingshi", "leader.yunhe", "officer.yunhe"} {
		r.accept(login, uid)
	}
	r.act("registrar.yunhe", uid, registry.SendArchive{Carrier: "机要交换"})
	no2 := r.pupil(uid).Archive.No
	cover, err := r.s.ArchiveCover(r.ctx, reg, uid)
	reads("cover", cover, err, "欧阳𬀩", no2, "云河区实验小学", "青石镇中心小学", "学籍基础信息表", "户口簿复印件", "机要交换", "周敏", "永久")
	sealed := scanned(t, cover)
	if len(sealed) == 0 || sealed[0] != document.ArchiveQR(no2, r.pupil(uid).Archive.Items, r.s.keys.sign) {
		t.Errorf("the cover's code: %q", sealed)
	}
	_, err = r.s.ArchiveCover(r.ctx, there, uid)
	wantCode(t, err, registry.CodeWrongState) // the sender's alone
	_, err = r.s.ArchiveReceipt(r.ctx, there, uid)
	wantCode(t, err, registry.CodeWrongState) // not received yet
	r.act("registrar.qingshi", uid, registry.ReceiveArchive{No: no2, Missing: []int{2}})
	for _, who := range []Staff{there, reg} { // the sender gets it back, though the pupil left its sight
		b, err = r.s.ArchiveReceipt(r.ctx, who, uid)
		reads("archive-receipt", b, err, "回执", no2, "户口簿复印件", there.Name)
	}
	_, err = r.s.ArchiveReceipt(r.ctx, r.staff("registrar.yunhe2"), uid)
	wantCode(t, err, registry.CodeNotFound)
}

// The portrait of the record is listed in the archive once, and again only when it changed; the older one is kept (Art. 8).
func TestPortraitIsListed(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}}})
	reg := r.staff("registrar.yunhe")
	list := func() error { return r.s.ListPortrait(r.ctx, reg, uid, r.pupil(uid).Version) }
	wantCode(t, list(), registry.CodeInvalid) // the record has none
	portrait := func(text string) string {
		digest := must[string](t)(r.s.PutFile(r.ctx, reg, uid, "p.pdf", "application/pdf", strings.NewReader("%PDF-1.7 "+text)))
		p := r.pupil(uid)
		p.Photo = digest
		c := store.Change{Pupil: p, Entry: store.Entry{At: r.now(), Kind: registry.EvAmend, Actor: registry.Actor{Account: "system"}, Payload: []byte("{}")}, Index: indexOf(p)}
		if err := r.st.Commit(r.ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
			t.Fatal(err)
		}
		return digest
	}
	first := portrait("first")
	wantCode(t, r.s.ListPortrait(r.ctx, reg, uid, 1), registry.CodeConflict) // the page was of another version
	if err := list(); err != nil {
		t.Fatal(err)
	}
	if items := r.pupil(uid).Archive.Items; len(items) != 2 || items[1].Title != PortraitTitle || items[1].Digest != first || !items[1].NoPaper || items[1].Group != 1 {
		t.Fatalf("%+v", items)
	}
	wantCode(t, list(), registry.CodeInvalid) // it stands there
	second := portrait("second")
	if err := list(); err != nil {
		t.Fatal(err)
	}
	if it := r.pupil(uid).Archive.Items; len(it) != 2 || it[1].Digest != second || len(it[1].Older) != 1 || it[1].Older[0].Digest != first {
		t.Errorf("%+v", it)
	}
}
