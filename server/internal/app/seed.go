package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"xueji/server/internal/demo"
	"xueji/server/internal/password"
	"xueji/server/internal/service"
	"xueji/server/internal/sqlite"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

type seedCmd struct {
	Pupils int    `default:"3000" help:"How many pupils to invent."`
	Seed   uint64 `default:"2013" help:"The same seed invents the same province."`
	Out    string `help:"Folder for summary.json (accounts, passwords) and the sample workbook." type:"path"`
	Rows   int    `default:"60" help:"Rows of the sample workbook."`
	Bad    int    `default:"10" help:"How many of them are wrong."`
}

// Run fills an empty register. It refuses one that has units already: nothing is mixed with real data.
func (c *seedCmd) Run(e *env) (err error) {
	if c.Pupils < 0 || c.Pupils > 50_000_000 {
		return errors.New("--pupils: 0 to 50,000,000")
	}
	embedded := sqlite.Open
	if _, missing := os.Stat(e.common.embedded()); missing != nil {
		embedded = sqlite.OpenToFill
	}
	o, err := e.openBy(embedded)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.st.Close()) }()
	if schools, _, err := o.st.LoadUnits(e.ctx); err != nil {
		return err
	} else if len(schools) > 0 {
		return errors.New("the register has schools already: seed only an empty one (choose another --data, or forget the demo first)")
	}
	return c.fill(e, o)
}

// fill invents the province and tells it to an empty, open register.
func (c *seedCmd) fill(e *env, o *opened) error {
	start := time.Now()
	s, err := service.New(e.ctx, service.Options{Store: o.st, Keys: o.keys, Packs: o.packs, Log: e.log})
	if err != nil {
		return err
	}
	g := demo.New(c.Seed).On(s.Today()).For(c.Pupils)
	schools, offices := g.Units()
	if err := s.PutUnits(e.ctx, schools, offices); err != nil {
		return err
	}
	if err := o.st.PutBlob(e.ctx, blobDemo, []byte(fmt.Sprintf("seed %d", c.Seed))); err != nil {
		return err
	}
	actors, err := seedAccounts(e.ctx, s, g)
	if err != nil {
		return err
	}
	sd := &seeder{s: s, st: o.st, g: g, actors: actors, numbers: map[string][]registry.CaseNo{}}
	first, err := sd.pupils(e.ctx, c.Pupils)
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := sd.summary(c.Out, c.Rows, c.Bad, first); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(e.out, "%d pupils in %d schools, %s\n", c.Pupils, len(schools), time.Since(start).Round(100*time.Millisecond))
	return err
}

// blobDemo marks a register that seed made: its people are invented, its passwords printed, and it asks for no second factor unless told to.
const blobDemo = "demonstration"

func isDemo(ctx context.Context, st store.Store) (bool, error) {
	_, err := st.Blob(ctx, blobDemo)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return false, nil
	}
	return err == nil, err
}

// seedAccounts makes the demonstration's accounts, under the same rules as any. They all have one printed password, so it is hashed once.
func seedAccounts(ctx context.Context, s *service.Service, g *demo.Generator) (map[string]registry.Actor, error) {
	enc, err := password.New(password.Default, 0).Encode(ctx, demo.Password)
	if err != nil {
		return nil, err
	}
	actors := map[string]registry.Actor{}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(32) // the store groups what comes at once into one fsync
	for _, a := range g.Accounts() {
		sum := sha256.Sum256([]byte("demo account " + a.Login))
		acc := store.Account{ID: "a-" + hex.EncodeToString(sum[:13]), Login: a.Login, Name: a.Name, Unit: a.Unit, Role: a.Role, Password: enc, TrainedOn: a.TrainedOn,
			TrainedCert: a.TrainedCert,
			CreatedAt:   time.Now().UTC()}
		actors[a.Login] = registry.Actor{Account: acc.ID, Name: a.Name, Unit: a.Unit, Role: a.Role, Via: "console"}
		eg.Go(func() error { return s.PutStaff(ctx, acc) })
	}
	return actors, eg.Wait()
}

type seeder struct {
	s       *service.Service
	st      store.Store
	g       *demo.Generator
	actors  map[string]registry.Actor
	numbers map[string][]registry.CaseNo // drawn and not used yet, by kind and year
}

const seedBatch = 500

// pupils tells n pupils' pasts to the register and returns the first pupil's form.
func (d *seeder) pupils(ctx context.Context, n int) (registry.Form, error) {
	pin, err := d.s.EncodePIN(ctx, demo.PIN)
	if err != nil {
		return nil, err
	}
	var drawing error
	plan := d.g.Plan(demo.Options{Pupils: n, Calendar: d.s.Calendar(), PIN: pin,
		Actor: func(a demo.Account) registry.Actor { return d.actors[a.Login] },
		CaseNo: func(kind registry.CaseKind, year int) registry.CaseNo {
			no, err := d.caseNo(ctx, kind, year)
			drawing = errors.Join(drawing, err)
			return no
		}})
	var batch []demo.Story
	var first registry.Form
	for st := range plan {
		if drawing != nil {
			return nil, drawing
		}
		if first == nil && st.Person.Form[registry.FIDNumber] != "" {
			first = st.Person.Form
		}
		if batch = append(batch, st); len(batch) == seedBatch {
			if err := d.batch(ctx, batch); err != nil {
				return nil, err
			}
			batch = batch[:0]
		}
	}
	err = errors.Join(drawing, d.batch(ctx, batch))
	if err != nil {
		return first, err
	}
	_, err = d.s.CheckRegister(ctx) // what the demonstration's scribes entered twice stands on the lists
	return first, err
}

// caseNo gives the next of a block of drawn numbers.
func (d *seeder) caseNo(ctx context.Context, kind registry.CaseKind, year int) (registry.CaseNo, error) {
	key := fmt.Sprint(kind, year)
	if len(d.numbers[key]) == 0 {
		block, err := d.s.DrawCaseNos(ctx, kind, year, seedBatch)
		if err != nil {
			return "", err
		}
		d.numbers[key] = block
	}
	no := d.numbers[key][0]
	d.numbers[key] = d.numbers[key][1:]
	return no, nil
}

// batch draws cards and files photos side by side, then writes the stories.
func (d *seeder) batch(ctx context.Context, told []demo.Story) error {
	stories := make([]service.Story, len(told))
	var mu sync.Mutex
	eg, ectx := errgroup.WithContext(ctx)
	eg.SetLimit(64)
	for i, t := range told {
		eg.Go(func() error {
			st := service.Story{UID: t.Person.UID}
			for _, m := range t.Moves {
				st.Moves = append(st.Moves, service.Move{At: m.At, Actor: m.Actor, Event: m.Event})
			}
			photo := demo.Portrait(t.Person.Portrait)
			sum := sha256.Sum256(photo)
			st.Photo = hex.EncodeToString(sum[:])
			if err := d.st.PutFile(ectx, store.File{Digest: st.Photo, Name: "photo.jpg", Type: "image/jpeg", Unit: t.Person.School, UID: t.Person.UID, Body: photo,
				At: t.Moves[0].At.UTC()}); err != nil {
				return err
			}
			if t.Card {
				if err := d.card(ectx, &st, t); err != nil {
					return err
				}
			}
			mu.Lock()
			stories[i] = st
			mu.Unlock()
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	return d.s.Seed(ctx, stories)
}

// card gives the pupil a card in the register, bound the day after enrolment was approved. No plastic exists for it: a replacement can be made at a station.
func (d *seeder) card(ctx context.Context, st *service.Story, t demo.Story) error {
	after := 0
	for i, m := range st.Moves {
		if e, ok := m.Event.(registry.DecideStep); ok && e.Party == registry.PartyAuthority {
			after = i + 1
			break
		}
	}
	if after == 0 {
		return nil // not approved yet: no card
	}
	serial, idx, err := d.st.NextCard(ctx)
	if err != nil {
		return err
	}
	at := st.Moves[after-1].At.Add(24 * time.Hour)
	if after < len(st.Moves) && st.Moves[after].At.Before(at) {
		at = st.Moves[after-1].At
	}
	clerk := d.actors["clerk.province"]
	ref := registry.CardRef{Number: registry.NewCardNumber("33", serial), Sequence: 1, Written: 1, BoundAt: at, Profile: "xueji-soft", Level: 2, StatusIdx: idx,
		ExpiresOn: registry.NewDate(at.In(registry.Beijing).Year()+6, 8, 31)}
	bind := service.Move{At: at, Actor: clerk, Event: registry.BindCard{Card: ref}}
	st.Moves = append(st.Moves[:after:after], append([]service.Move{bind}, st.Moves[after:]...)...)
	st.Cards = append(st.Cards, store.Issuance{ID: "c-demo-" + string(t.Person.UID), CardNo: ref.Number, State: "active", Kind: "first", StatusIdx: idx, Sequence: 1,
		Profile: ref.Profile, Level: ref.Level, By: clerk, CreatedAt: at.UTC(), UpdatedAt: at.UTC(), ExpiresOn: ref.ExpiresOn})
	return nil
}

// shown are the accounts that the demonstration prints, one or two of each role.
var shown = []string{"registrar.yunhe", "leader.yunhe", "registrar.qingshi", "leader.qingshi", "officer.yunhe", "officer.qingshi", "officer.city", "clerk.yunhe",
	"clerk.qingshi", "operator", "security.province", "auditor.province", "security.yunhe", "auditor.yunhe"}

// summary leaves what a person needs to walk the journey.
func (d *seeder) summary(dir string, rows, bad int, enrolled registry.Form) error {
	type account struct {
		Login    string        `json:"login"`
		Password string        `json:"password"`
		Name     string        `json:"name"`
		Role     registry.Role `json:"role"`
		Unit     registry.Unit `json:"unit"`
		UnitName string        `json:"unit_name"`
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	book, err := d.g.Workbook(rows, bad, enrolled)
	if err != nil {
		return err
	}
	workbook := filepath.Join(dir, "newcomers.xlsx")
	if err := os.WriteFile(workbook, book, 0o600); err != nil {
		return err
	}
	name := d.s.Directory().Name
	out := struct {
		Accounts        []account     `json:"accounts"`
		KioskSchool     registry.Unit `json:"kiosk_school"`
		KioskSchoolName string        `json:"kiosk_school_name"`
		PIN             string        `json:"pin"`
		Workbook        string        `json:"workbook"`
	}{KioskSchool: demo.YunheShiyan, KioskSchoolName: name(demo.YunheShiyan), PIN: demo.PIN, Workbook: workbook}
	for _, login := range shown {
		a, ok := d.actors[login]
		if !ok {
			continue
		}
		out.Accounts = append(out.Accounts, account{login, demo.Password, a.Name, a.Role, a.Unit, name(a.Unit)})
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "summary.json"), append(b, '\n'), 0o600)
}
