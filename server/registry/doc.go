// Package registry is the pure domain of the register of pupils (学籍): identifiers, the basic-information form, states, cases, clocks, rule packs and
// Decide, the one function that moves a pupil from one state to the next.
//
// It owns every rule of 《中小学生学籍管理办法》 that a program can serve. It imports the standard library only, reads no clock, opens no file and
// knows no HTTP, SQL or Redis; time, rules, calendar and directory are handed to it in Env (server/internal/archtest holds this).
//
// Where a rule stands:
//
//   - types.go, events.go, form.go, errors.go: the vocabulary; titles.go: its official Chinese words
//   - fields.go, codes.go, regions.go, countries.go: the form's 72 items and their lists, places by code and by name; formcheck.go finds what is wrong, tidy.go mends what needs no person
//   - idnumber.go (GB 11643 and its repairs), numbers.go (学籍号, 学校标识码, card and case numbers), uid.go, date.go, mask.go
//   - calendar.go with data/holidays.json: the State Council's notices; pack.go with data/cn-2013.json: every number of the regulation
//   - life.go, events_life.go: the vocabulary after enrolment and transfer; diff.go compares catalogues and forms
//   - packset.go chooses the pack by date and province, condition.go is its table of guards, dryrun.go says what another pack would change; units/ the schools' own rules
//   - decide.go and decide_*.go: the transitions; tasks.go: the to-do rows that follow from a pupil; testdata/transitions.golden: every state against every event
package registry
