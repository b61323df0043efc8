package desk

import "xueji/server/api"

// Revoked forgets the keys that open sealed records, in memory and on the disk: the server shut this kiosk out. Judging cards goes on. It is honest housekeeping: against a
// thief the next epoch stands (docs/threat-model.md).
func (d *Desk) Revoked() {
	var t api.Trust
	if ok, err := d.p.Cache.Get(cacheTrust, &t); err != nil || !ok || len(t.ReadingKeys) == 0 {
		return
	}
	t.ReadingKeys = nil
	if err := d.TakeTrust(d.ctx, t); err != nil {
		d.p.Log.Error("keys of sealed records not forgotten", "err", err)
		return
	}
	d.p.Log.Warn("this kiosk is revoked: its keys of sealed records are forgotten")
}
