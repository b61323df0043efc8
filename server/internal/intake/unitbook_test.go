package intake_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/intake"
	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
	"xueji/server/registry/units"
)

func readUnits(body []byte) (units.Units, []intake.UnitRow, error) {
	return intake.ReadUnits(bytes.NewReader(body), int64(len(body)), intake.Limits{})
}

// What the workbook of units is written with comes back from it, and each row is told by its place.
func TestUnitsBook(t *testing.T) {
	want := units.Units{Schools: rt.Schools(), Offices: rt.Offices()}
	body, err := intake.UnitsBook(want)
	if err != nil {
		t.Fatal(err)
	}
	got, rows, err := readUnits(body)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n%+v\n%+v", err, got, want)
	}
	if len(rows) != len(want.Schools)+len(want.Offices) || rows[0] != (intake.UnitRow{Sheet: intake.SheetOffices, No: 2, Code: rt.Nation}) {
		t.Errorf("%+v", rows)
	}
}

// An empty template, a header of somebody else's and a cell that says nothing sensible are told by where they are.
func TestUnitsBookRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		sheet, cell, value string
		field              string
		params             map[string]string
	}{
		"empty":       {field: intake.FieldWorkbook, params: map[string]string{"why": intake.WhyNoRows}},
		"kind":        {intake.SheetSchools, "C3", "幼儿园", "办学类型", map[string]string{"sheet": intake.SheetSchools, "row": "3"}},
		"grade":       {intake.SheetSchools, "F2", "一年级", "起始年级", map[string]string{"sheet": intake.SheetSchools, "row": "2"}},
		"no name":     {intake.SheetOffices, "B4", "", "名称", map[string]string{"sheet": intake.SheetOffices, "row": "4"}},
		"header":      {intake.SheetSchools, "C1", "类别", intake.FieldWorkbook, map[string]string{"why": intake.WhyHeader, "missing": "办学类型", "unknown": "类别"}},
		"a full form": {intake.SheetSchools, "A2", "２１３３０００１０１", "", nil},
	} {
		u := units.Units{}
		if c.sheet != "" {
			u = units.Units{Schools: rt.Schools(), Offices: rt.Offices()}
		}
		body, err := intake.UnitsBook(u)
		if err != nil {
			t.Fatal(err)
		}
		if c.sheet != "" {
			body = edited(t, body, func(f *excelize.File) error { return f.SetCellStr(c.sheet, c.cell, c.value) })
		}
		got, _, err := readUnits(body)
		if c.params == nil {
			if err != nil || got.Schools[0].Code != rt.PrimaryA {
				t.Errorf("%s: %v %v", name, err, got.Schools[0].Code)
			}
			continue
		}
		e, ok := err.(*registry.Error)
		if !ok || e.Code != registry.CodeInvalid || e.Field != c.field || !reflect.DeepEqual(e.Params, c.params) {
			t.Errorf("%s: %v %+v", name, err, e)
		}
	}
}

func edited(t *testing.T, body []byte, with func(*excelize.File) error) []byte {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := with(f); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzUnits: no file makes the reader panic, and what it reads it can write.
func FuzzUnits(f *testing.F) {
	for _, u := range []units.Units{{}, {Schools: rt.Schools()[:1], Offices: rt.Offices()[:2]}} {
		body, err := intake.UnitsBook(u)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		u, rows, err := intake.ReadUnits(bytes.NewReader(body), int64(len(body)), intake.Limits{Rows: 50, Unpacked: 4 << 20})
		if err != nil {
			return
		}
		if len(rows) != len(u.Schools)+len(u.Offices) {
			t.Fatal("a row is not told")
		}
		if _, err := intake.UnitsBook(u); err != nil {
			t.Fatal(err)
		}
	})
}
