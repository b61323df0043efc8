package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"xueji/server/api"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// directory is an immutable snapshot of the units.
type directory struct {
	schools map[registry.Unit]registry.School
	offices map[registry.Unit]registry.Office
	list    []registry.School // by code
	upper   []registry.Office // by code
	regions *registry.Regions
	version string
}

func newDirectory(schools []registry.School, offices []registry.Office) *directory {
	d := &directory{schools: map[registry.Unit]registry.School{}, offices: map[registry.Unit]registry.Office{}, list: slices.Clone(schools), upper: slices.Clone(offices)}
	slices.SortFunc(d.list, func(a, b registry.School) int { return cmp.Compare(a.Code, b.Code) })
	slices.SortFunc(d.upper, func(a, b registry.Office) int { return cmp.Compare(a.Code, b.Code) })
	for _, s := range d.list {
		d.schools[s.Code] = s
	}
	for _, o := range d.upper {
		d.offices[o.Code] = o
	}
	d.regions = registry.NewRegions(d.upper)
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode(d.list) // plain structs always encode
	_ = enc.Encode(d.upper)
	d.version = hex.EncodeToString(h.Sum(nil)[:8])
	return d
}

func (d *directory) School(u registry.Unit) (registry.School, bool) {
	s, ok := d.schools[u]
	return s, ok
}
func (d *directory) Office(u registry.Unit) (registry.Office, bool) {
	o, ok := d.offices[u]
	return o, ok
}
func (d *directory) Schools() []registry.School { return d.list }
func (d *directory) Offices() []registry.Office { return d.upper }

// Name is what people call a unit; a county without an office in this register by its place, and its code when that is unknown too.
func (d *directory) Name(u registry.Unit) string {
	if s, ok := d.schools[u]; ok {
		return s.Name
	}
	if o, ok := d.offices[u]; ok {
		return o.Name
	}
	if place, known := d.regions.Name(string(u)); known {
		return place
	}
	return string(u)
}

// Regions names places as this register's offices do, and by GB/T 2260.
func (s *Service) Regions() *registry.Regions { return s.dir.Load().regions }

// codeTitle is the title of a list's code, with a place as this register calls it.
func (s *Service) codeTitle(list registry.ListName, code string) string {
	if list == registry.ListRegion {
		return s.Regions().Title(code)
	}
	return registry.CodeTitle(list, code)
}

// checkForm is registry.CheckForm, without the word that a region is in no list where an office of this register has its code.
func (s *Service) checkForm(f registry.Form, on registry.Date) []registry.Finding {
	return slices.DeleteFunc(registry.CheckForm(f, on), func(x registry.Finding) bool {
		if x.Code != registry.FindUnlisted {
			return false
		}
		_, known := s.Regions().Name(f[x.Field])
		return known
	})
}

// ReloadUnits reads schools and offices anew.
func (s *Service) ReloadUnits(ctx context.Context) error {
	schools, offices, err := s.st.LoadUnits(ctx)
	if err != nil {
		return internal(err)
	}
	s.dir.Store(newDirectory(schools, offices))
	return nil
}

// PutUnits adds or replaces schools and offices.
func (s *Service) PutUnits(ctx context.Context, schools []registry.School, offices []registry.Office) error {
	if err := s.st.PutUnits(ctx, schools, offices); err != nil {
		return internal(err)
	}
	return s.ReloadUnits(ctx)
}

// Directory is the snapshot of this moment.
func (s *Service) Directory() registry.Directory { return s.dir.Load() }

// Schools lists the schools in scope, by code.
func (s *Service) Schools(who Staff) []registry.School {
	sc := s.scope(who)
	var out []registry.School
	for _, school := range s.dir.Load().list {
		if sc.HasSchool(school.Code) {
			out = append(out, school)
		}
	}
	return out
}

// Offices lists the offices below a member of staff's own, by code.
func (s *Service) Offices(who Staff) []registry.Office {
	sc, d := s.scope(who), s.dir.Load()
	var out []registry.Office
	for _, o := range d.upper {
		if o.Code != who.Unit && o.Remote == "" && sc.OverStaff(o.Code, d) {
			out = append(out, o)
		}
	}
	return out
}

// DeviceDirectory is the kiosk's cache of names.
func (s *Service) DeviceDirectory(ctx context.Context, kiosk store.Kiosk) (api.Directory, error) {
	d := s.dir.Load()
	pack := s.PackOf(s.Today(), kiosk.School)
	return api.Directory{Version: d.version + "-" + pack.Version, Schools: d.list, Offices: d.upper, Pack: pack.Version, Cards: pack.Cards}, nil
}
