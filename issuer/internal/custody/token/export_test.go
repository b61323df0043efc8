package token

// Break ends all sessions behind the program's back, as an HSM that was restarted does.
func (t *Token) Break() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot, err := t.slot()
	if err != nil {
		return err
	}
	return t.m.ctx.CloseAllSessions(slot)
}
