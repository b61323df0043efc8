package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"xueji/server/api"
)

type outboxCmd struct {
	Import outboxImportCmd `cmd:"" help:"Bring a kiosk's outbox file in, and write the receipt file that goes back to the kiosk."`
}

type outboxImportCmd struct {
	File string `arg:"" type:"existingfile" help:"File made by the kiosk (xueji-outbox-….json)."`
	Out  string `type:"existingdir" default:"." help:"Folder for the receipt file."`
}

// Run may be repeated, and may run beside a serving server on PostgreSQL.
func (c *outboxImportCmd) Run(e *env) (err error) {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	s, done, err := e.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	in, err := s.TakeOutbox(e.ctx, raw)
	if err != nil {
		return err
	}
	receipt, err := json.Marshal(api.CarryReceipt{Form: api.CarryReceiptForm, Receipt: in.Receipt})
	if err != nil {
		return err
	}
	file := filepath.Join(c.Out, "xueji-receipt-"+in.Kiosk.ID+".json")
	if err := os.WriteFile(file, receipt, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "kiosk %04d (%s): %d events, %d new\nreceipt for the kiosk: %s\n", in.Kiosk.No, in.Kiosk.ID, in.Events, in.New, file)
	return err
}
