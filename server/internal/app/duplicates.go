package app

import (
	"errors"
	"fmt"
	"time"
)

type duplicatesCmd struct {
	Check duplicatesCheckCmd `cmd:"" help:"Compare the whole register with itself and raise what looks like one child twice (Art. 6)."`
}

type duplicatesCheckCmd struct{}

// Run may be repeated and interrupted: nothing is raised twice, and what was judged stays judged.
func (duplicatesCheckCmd) Run(e *env) (err error) {
	s, done, err := e.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	c, err := s.CheckRegister(e.ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%d pupils, %d candidate pairs, %d look like one child, %d of them new; %d keys that too many share were passed over; %s\n",
		c.Pupils, c.Pairs, c.Found, c.Fresh, c.Passed, c.Took.Round(time.Millisecond))
	return err
}
