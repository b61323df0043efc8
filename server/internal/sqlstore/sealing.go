package sqlstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

// What is sealed stands in sealedColumns; what is not, and why, in docs/data-protection.md.

// place is where a value stands; the row's key in the order of its primary key.
func place(table, column string, key ...string) vault.Place {
	return vault.Place{Table: table, Column: column, Row: strings.Join(key, "\x1f")}
}

func decimal[N int | int64 | uint64](n N) string { return strconv.FormatInt(int64(n), 10) }

// openFault maps what the vault says: a damaged value is the register's own trouble, and names no value.
func openFault(err error) error {
	if err == nil {
		return nil
	}
	if err == vault.ErrStale {
		return &registry.Error{Code: registry.CodeUnavailable, Err: err}
	}
	return &registry.Error{Code: registry.CodeInternal, Err: err}
}

func (s *Store) open(p vault.Place, b *[]byte) error {
	out, err := s.v.Open(p, *b)
	*b = out
	return openFault(err)
}

func (s *Store) openText(p vault.Place, t *string) error {
	out, err := s.v.OpenText(p, *t)
	*t = out
	return openFault(err)
}

func (s *Store) openJSON(p vault.Place, t string, v any) error {
	if err := s.openText(p, &t); err != nil {
		return err
	}
	return decode(p.Table+"."+p.Column, t, v)
}

// seal keeps the first error until the plan runs: building goes on, nothing is written.
func (p *plan) seal(at vault.Place, b []byte) []byte {
	out, err := p.v.Seal(at, b)
	p.fail(err)
	return out
}

func (p *plan) sealText(at vault.Place, t string) string {
	out, err := p.v.SealText(at, t)
	p.fail(err)
	return out
}

func (p *plan) sealJSON(at vault.Place, v any) string {
	t, err := encode(at.Table+"."+at.Column, v)
	p.fail(err)
	return p.sealText(at, t)
}

func (p *plan) fail(err error) {
	if p.err == nil && err != nil {
		p.err = openFault(err)
	}
}

// roll is the sealed part of a list row: what it shows and what it is found by.
type roll struct {
	Name     string          `json:"n"`
	Sex      string          `json:"s,omitempty"`
	Birth    registry.Date   `json:"b,omitempty"`
	Number   registry.Number `json:"no,omitempty"`
	Pinyin   []string        `json:"p,omitempty"`
	Initials []string        `json:"i,omitempty"`
	IDTail   string          `json:"d,omitempty"`
	NumTail  string          `json:"t,omitempty"`
	Alt      string          `json:"a,omitempty"`
	Order    string          `json:"o,omitempty"` // nameSort, so that a list does not fold every name again
}

func rollOf(pu *registry.Pupil, x store.Index) roll {
	return roll{Name: x.Name, Sex: pu.Form[registry.FSex], Birth: registry.Date(pu.Form[registry.FBirth]), Number: pu.Number, Pinyin: x.Pinyin, Initials: x.Initials,
		IDTail: x.IDTail, NumTail: x.NumTail, Alt: x.Alt, Order: nameSort(x)}
}

func (r *roll) index() store.Index {
	return store.Index{Name: r.Name, Pinyin: r.Pinyin, Initials: r.Initials, IDTail: r.IDTail, NumTail: r.NumTail, Alt: r.Alt}
}

func (s *Store) openRoll(uid string, sealed []byte) (roll, error) {
	var r roll
	if err := s.open(place("pupil", "sealed", uid), &sealed); err != nil {
		return r, err
	}
	if err := json.Unmarshal(sealed, &r); err != nil {
		return r, openFault(fmt.Errorf("sqlstore: a list row: %w", err))
	}
	return r, nil
}

// numberClaim is a 学籍号 as it is claimed: it holds the identity number of most pupils, so a keyed digest stands for it, one for each living index key.
func numberClaims(v *vault.Vault, n registry.Number) []string {
	var out []string
	for _, k := range v.Indexes() {
		out = append(out, numberClaim(k, string(n)))
	}
	return out
}

func numberClaim(k *vault.IndexKey, n string) string {
	return numberMark + hex.EncodeToString(k.Digest("number", n))
}

// numberMark begins a digest; a clear number begins with a letter or digit, which sort after it.
const numberMark = "#"

// Vault is the store's vault: for other columns that hold personal data or secrets.
func (s *Store) Vault() *vault.Vault { return s.v }

// keep reads the table of keys again and again, so that the vault never goes stale while the database answers.
func (s *Store) keep(ctx context.Context) {
	t := time.NewTicker(reloadEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			_ = s.v.Reload(ctx) // the vault refuses to seal when this fails for long; the next caller is told
		}
	}
}

const reloadEvery = 20 * time.Second
