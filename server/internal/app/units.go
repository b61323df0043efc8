package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"xueji/server/internal/intake"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

type unitsCmd struct {
	Template unitsTemplateCmd `cmd:"" help:"Write the workbook that import reads: empty for a new register, otherwise with the units that are there."`
	Import   unitsImportCmd   `cmd:"" help:"Take in the offices and schools of a workbook: how a register begins, or a term's new schools. All of them, or none."`
}

type unitsTemplateCmd struct {
	File string `arg:"" type:"path" help:"Workbook to write (.xlsx)."`
}

// Run writes no file over another.
func (c *unitsTemplateCmd) Run(e *env) (err error) {
	s, done, err := e.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	u := s.Units()
	book, err := intake.UnitsBook(u)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(book); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s: %d offices, %d schools\n", c.File, len(u.Offices), len(u.Schools))
	return err
}

type unitsImportCmd struct {
	File string `arg:"" type:"existingfile" help:"Workbook (units template FILE writes one)."`
}

// Run may be repeated: units that are there as the workbook has them are passed over.
func (c *unitsImportCmd) Run(e *env) (err error) {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	list, rows, err := intake.ReadUnits(bytes.NewReader(raw), int64(len(raw)), intake.Limits{})
	if err != nil {
		return unreadBook(err)
	}
	s, done, err := e.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	n, refused, err := s.Establish(e.ctx, list)
	if err != nil {
		return err
	}
	if len(refused) > 0 {
		return refusedUnits(refused, rows)
	}
	_, err = fmt.Fprintf(e.out, "%d taken in, %d were there\n", n, len(rows)-n)
	return err
}

// unreadBook says which cell of a workbook cannot be read.
func unreadBook(err error) error {
	var x *registry.Error
	if !errors.As(err, &x) {
		return err
	}
	if said := intake.Explain(x.Params); said != "" {
		return errors.New(said)
	}
	return fmt.Errorf("sheet %s, row %s: %s cannot be read: choose from the list, write digits as digits, no formulas", x.Params["sheet"], x.Params["row"], x.Field)
}

// unitFaults say what to mend of a unit's member.
var unitFaults = map[string]string{
	"code":      "the code is not one (an office's has 6 digits of GB/T 2260, a school's 10 with its province's)",
	"parent":    "the office above is not in the list and not in the register, or not of this region; one office alone has none above it",
	"tier":      "the tier does not fit the code (330000 is a province, 330100 a city, 330106 a county), or the office above is not higher",
	"name":      "the name is empty or over 60 characters",
	"kind":      "no such kind of school",
	"to_grade":  "grades are 1 to 12, the first not above the last",
	"region":    "the region is a county's, 6 digits",
	"authority": "the authority is not in the list and not in the register, or has no say over the school's region (Art. 3)",
}

func refusedUnits(refused []units.Refused, rows []intake.UnitRow) error {
	at := map[registry.Unit]intake.UnitRow{}
	for _, r := range rows {
		at[r.Code] = r
	}
	var b strings.Builder
	fmt.Fprintf(&b, "nothing was taken in, %d cannot be:", len(refused))
	for _, r := range refused {
		var x *registry.Error
		why := r.Err.Error()
		if errors.As(r.Err, &x) && x.Code == registry.CodeConflict {
			why = "the code is in the list twice, or in the register with other data: mend those in the console (学校机构)"
		} else if x != nil && unitFaults[x.Field] != "" {
			why = unitFaults[x.Field]
		}
		fmt.Fprintf(&b, "\n  sheet %s, row %d, %s: %s", at[r.Code].Sheet, at[r.Code].No, r.Code, why)
	}
	return errors.New(b.String())
}
