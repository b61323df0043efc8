package e2e

import (
	"fmt"
	"slices"
	"strings"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/server/registry"
)

// viccPupil is the newcomer whose card is Debian's vicc.
const viccPupil = 5

// stationSlot is the reader on the clerk's desk.
const stationSlot = 0

// issue is step 2: the clerk makes cards one after the other; the next name comes up by itself; a card torn out half-way is put back and finished.
func (w *world) issue() {
	t := w.t
	clerk := w.staff("clerk.yunhe")
	clerk.open("/cards")
	clerk.choose(`select[name="school"]`, oldSchool)
	clerk.until("the school's list", fmt.Sprintf(`document.querySelector("#issue").dataset.school === %q`, oldSchool))
	clerk.fill(`[name="class"]`, w.pupils[0].Values[registry.FClass])
	clerk.click(".filters button")
	clerk.until("the newcomers' list", fmt.Sprintf(`document.querySelectorAll("[data-queue] li").length === %d`, len(w.pupils)))
	var commands int
	var torn bool
	for range w.pupils {
		name := w.awaited(clerk)
		c := w.byName(name)
		if c.card != nil {
			clerk.fatal("%s is asked for a second time", name)
		}
		if c == w.pupils[viccPupil] { // a chip that nobody here wrote
			vicc := pcscdtest.StartVICC(t.whole)
			c.card = vicc
			lying := w.station.Insert(stationSlot, vicc)
			w.made(clerk, name)
			lying.Remove()
			continue
		}
		card, err := cardsim.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.card = card
		if !torn && commands > 0 { // torn out half-way, by what the first card took; the same card put back is finished
			torn = true
			card.TearAt(cardsim.Tear{After: commands / 2})
			half := w.station.Insert(stationSlot, card)
			clerk.partSays(".stage", "请把同一张卡放回")
			half.Remove()
			clerk.until("the reader is seen empty", `!document.querySelector(".stage").classList.contains("on")`)
			clerk.partSays("[data-who]", name)
			card.Insert()
		}
		lying := w.station.Insert(stationSlot, card)
		w.made(clerk, name)
		commands = card.Executed()
		lying.Remove()
	}
	clerk.partSays("[data-say]", "全部发完")
	for _, line := range clerk.texts("[data-made] ol li") {
		name, no, _ := strings.Cut(line, " ")
		w.byName(name).cardNo = no
	}
	faces := readPaper(t, w.path("pictures"), "faces", clerk.fetch(clerk.attr("[data-faces]", "href")))
	if faces.size != "242.65 x 153.01 pts" {
		t.Errorf("a face measures %s; ID-1 is 85.60 × 53.98 mm, 242.65 × 153.01 pt", faces.size)
	}
	for _, c := range w.pupils {
		id := c.Values[registry.FIDNumber]
		faces.has(t, c.name(), c.cardNo)
		faces.hasNot(t, id, "G"+id, id[6:14])
	}
	faces.has(t, oldName)
	if got := faces.codes(t); len(got) != len(w.pupils) {
		t.Errorf("%d codes are scanned on %d faces", len(got), len(w.pupils))
	}
}

// vicc is the other half of a card that nobody here wrote: the kiosk judges it valid and offers what can be done with it.
func (w *world) vicc() {
	c := w.pupils[viccPupil]
	w.menu(c)
	got := w.readCard()
	if got.Profile != "vicc-iso7816" || got.Public == nil || got.Public.School != oldSchool {
		w.t.Errorf("the card is read as %q, %+v", got.Profile, got.Public)
	}
	w.verifyCard()
	w.goal("status")
	w.stand().says(oldName)
	w.take()
}

// awaited is the name that the issuing screen asks a blank card for.
func (w *world) awaited(clerk *page) string {
	w.t.Helper()
	clerk.until("a blank card is asked for", `document.querySelector(".stage").dataset.tone === "ready"`)
	return clerk.text("[data-who]")
}

// made waits until the card of a pupil is written, read back and bound.
func (w *world) made(clerk *page, name string) {
	w.t.Helper()
	clerk.until(name+" has a card", fmt.Sprintf(`[...document.querySelectorAll("[data-made] ol li .name")].some(e => e.innerText === %s)`, quote(name)))
}

func (w *world) byName(name string) *pupil {
	w.t.Helper()
	i := slices.IndexFunc(w.pupils, func(c *pupil) bool { return c.name() == name })
	if i < 0 {
		w.t.Fatalf("nobody of the newcomers is called %q", name)
	}
	return w.pupils[i]
}

var _ pcscdtest.Card = (*cardsim.Card)(nil)
