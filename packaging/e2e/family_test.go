package e2e

// family is the first half of step 6: where the case stands, masked until the guardian's PIN; a wrong one is counted, not told more.
func (w *world) family(c *pupil) {
	w.t.Helper()
	k := w.stand()
	w.menu(c)
	w.goal("status")
	k.partSays("h1", "转学正在办理")
	k.says("现在由“" + newName + "”办理，最迟")
	k.silent(c.name())
	w.answer("转学正在办理", "pin")
	w.enterPIN("000000")
	k.says("密码不对，还可以试 4 次")
	k.silent(c.name())
	w.enterPIN(guardedPIN)
	k.says("家长密码已核对")
	k.says(c.name())
	w.lying.Remove() // the card leaves: nothing stays on the glass
	w.lying = nil
	w.home()
	k.silent(c.name())
}
