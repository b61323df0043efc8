package app

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/exchange"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

type exchangeCmd struct {
	Identity exchangeIdentityCmd `cmd:"" help:"This register's own keys in the exchange with other provinces; peers pin the line that is printed."`
	Peer     exchangePeerCmd     `cmd:"" help:"Other provinces' registers."`
}

type exchangePeerCmd struct {
	Add    exchangeAddCmd    `cmd:"" help:"Pin a register's identity, or a new key of one that is known."`
	List   exchangeListCmd   `cmd:"" help:"Peers and how the line to each does."`
	Revoke exchangeRevokeCmd `cmd:"" help:"Shut a register out until it is added again."`
}

func (e *env) exchange(do func(s *service.Service) error) (err error) {
	s, done, err := e.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	return do(s)
}

type exchangeIdentityCmd struct {
	New      bool   `help:"Make the keys, or new ones in their place: what was written to the old ones still opens. Peers must be given the new line."`
	Province string `help:"With --new: code of the province's office, such as 330000."`
	Suite    string `default:"sm2" enum:"sm2,es256" help:"With --new: sm2 (with SM4) or es256 (with AES)."`
}

// Run prints public keys alone: the secret ones lie in the database, sealed under the vault's key.
func (c *exchangeIdentityCmd) Run(e *env) error {
	return e.exchange(func(s *service.Service) error {
		p, err := s.Identity(e.ctx)
		if c.New {
			suite := credential.SM2
			if c.Suite == "es256" {
				suite = credential.ES256
			}
			if c.Province == "" && err == nil {
				c.Province = p.Province
			}
			p, err = s.NewIdentity(e.ctx, c.Province, suite)
		}
		switch registry.CodeOf(err) {
		case "":
		case registry.CodeNotFound:
			if c.New {
				return fmt.Errorf("--province: %q is no province's office of this register (server keeps its offices on the page 学校与机构)", c.Province)
			}
			return errors.New("this register has no identity yet: server exchange identity --new --province 330000")
		case registry.CodeConflict:
			return errors.New("--province: this register is another province's already")
		default:
			return err
		}
		text, err := p.Text()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "%s\nprovince %s, suite %s, fingerprint %s\nGive the first line to the peers' security administrators, and compare the fingerprint with them by another way.\n",
			text, p.Province, p.Suite, p.Fingerprint())
		return err
	})
}

type exchangeAddCmd struct {
	Key   string `required:"" help:"The line that the other register's server exchange identity printed."`
	Name  string `help:"What people call it: 江苏省. Required the first time."`
	URL   string `name:"url" help:"Where it is reached: https://xueji.js.example. Required the first time."`
	From  string `help:"The key is good from this day on, 2006-01-02; empty: now."`
	Until string `help:"And until this day (not counted); empty: until further notice."`
}

func (c *exchangeAddCmd) Run(e *env) error {
	day := func(flag, v string) (time.Time, error) {
		if v == "" {
			return time.Time{}, nil
		}
		if !registry.Date(v).Valid() {
			return time.Time{}, fmt.Errorf("--%s: %q is not a date like 2026-11-01", flag, v)
		}
		return registry.Date(v).Time(), nil
	}
	from, err := day("from", c.From)
	if err != nil {
		return err
	}
	until, err := day("until", c.Until)
	if err != nil {
		return err
	}
	return e.exchange(func(s *service.Service) error {
		p, err := s.AddPeer(e.ctx, c.Key, c.Name, c.URL, from, until)
		var re *registry.Error
		if errors.As(err, &re) {
			switch re.Field {
			case "key":
				return errors.New("--key: not another register's identity; it is one line, xj-exchange: and what follows")
			case "url":
				return errors.New("--url: an http(s) address without a path's question is needed")
			case "name":
				return errors.New("--name: what people call that province is needed")
			case "identity":
				return errors.New("this register has no identity yet: server exchange identity --new --province 330000")
			case "until":
				return errors.New("--until: must be later than --from")
			case "province":
				return errors.New("--key: of a province that this register holds itself")
			}
		}
		if err != nil {
			return err
		}
		pub, err := exchange.ParsePublic(c.Key)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "%s (%s) at %s, fingerprint %s. Compare it with that register's administrator by another way than the line came.\n", p.Name, p.Province, p.URL, pub.Fingerprint())
		return err
	})
}

type exchangeListCmd struct{}

func (exchangeListCmd) Run(e *env) error {
	return e.exchange(func(s *service.Service) error {
		peers, err := s.PeersNow(e.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "province\tname\taddress\tlast heard\tto send\toldest\trefused there\tturned away here (30 days)\tto finish by hand\tfingerprints of good keys")
		for _, p := range peers {
			name := p.Name
			if !p.RevokedAt.IsZero() {
				name += " (revoked)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%v\n", p.Province, name, p.URL, stamp(p.HeardAt), p.Depth, stamp(p.Oldest), p.PeerHealth.Refused, p.Turned, p.Held, p.Prints)
		}
		return w.Flush()
	})
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(registry.Beijing).Format("2006-01-02 15:04")
}

type exchangeRevokeCmd struct {
	Province string `arg:"" help:"Its code."`
}

func (c *exchangeRevokeCmd) Run(e *env) error {
	return e.exchange(func(s *service.Service) error {
		err := s.RevokePeer(e.ctx, c.Province)
		if registry.CodeOf(err) == registry.CodeNotFound {
			return fmt.Errorf("%s is no peer", c.Province)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "%s is shut out. Letters to it wait here until it is added again.\n", c.Province)
		return err
	})
}
