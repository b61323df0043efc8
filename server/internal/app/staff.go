package app

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

type kioskCmd struct {
	School string `required:"" help:"学校标识码, 10 digits."`
	Name   string `required:"" help:"Where it stands, as people call it."`
	OwnCA  bool   `name:"own-ca" help:"Kiosks reach the server under its own authority: put the fingerprint behind the code."`
}

// Run prints the code alone on its line, for scripts.
func (c *kioskCmd) Run(e *env) (err error) {
	e.ownCA = c.OwnCA
	s, done, err := e.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	_, code, err := s.AddKiosk(e.ctx, registry.Unit(c.School), c.Name)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return fmt.Errorf("--school: %s is not in the register of schools", c.School)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, code)
	return err
}

type accountCmd struct {
	Add accountAddCmd `cmd:"" help:"Add a member of staff, or give one a new password."`
}

type accountAddCmd struct {
	Login        string `required:"" help:"User name."`
	Name         string `required:"" help:"Name as it stands on papers."`
	Unit         string `required:"" help:"学校标识码 or region code of the office."`
	Role         string `required:"" enum:"registrar,leader,officer,clerk,operator,security,auditor" help:"registrar, leader, officer, clerk, operator, security or auditor."`
	TrainedOn    string `name:"trained-on" required:"" help:"Date of training, 2006-01-02: no training record, no account (Art. 23)."`
	Certificate  string `required:"" help:"Number of the training certificate; the same for all accounts of one person."`
	Forget       bool   `name:"forget-factors" help:"Take the account's second factors away: of somebody who lost them and has nobody above to ask."`
	PasswordFile string `name:"password-file" help:"File with the password; without it, the first line of standard input." type:"path"`
}

// Run never takes a password from the command line, where other users of the machine could read it.
func (c *accountAddCmd) Run(e *env) (err error) {
	pass, err := c.password()
	if err != nil {
		return err
	}
	if c.TrainedOn != "" && !registry.Date(c.TrainedOn).Valid() {
		return fmt.Errorf("--trained-on: %q is not a date like 2026-08-20", c.TrainedOn)
	}
	s, done, err := e.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	a, err := s.AddAccount(e.ctx, store.Account{Login: c.Login, Name: c.Name, Unit: registry.Unit(c.Unit), Role: registry.Role(c.Role), TrainedOn: registry.Date(c.TrainedOn),
		TrainedCert: c.Certificate}, pass)
	var x *registry.Error
	if errors.As(err, &x) && x.Code == registry.CodeInvalid && x.Field == "unit" {
		return fmt.Errorf("--unit: %s is not in the register, or no place for a %s; `server units import` takes offices and schools in", c.Unit, c.Role)
	}
	if err != nil {
		return err
	}
	if c.Forget {
		if err := s.ForgetFactors(e.ctx, a.ID); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(e.out, a.Login, a.ID)
	return err
}

func (c *accountAddCmd) password() (string, error) {
	if c.PasswordFile != "" {
		b, err := os.ReadFile(c.PasswordFile)
		return strings.TrimRight(string(b), "\r\n"), err
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.Join(errors.New("no password on standard input"), err)
	}
	return line, nil
}
