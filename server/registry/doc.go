// Package registry is the pure domain of the register of pupils (学籍): identifiers, the basic-information form, states, cases, clocks, rule packs and
// Decide, the one function that moves a pupil from one state to the next.
//
// It owns every rule of 《中小学生学籍管理办法》 that a program can serve. It imports the standard library only, reads no clock, opens no file and
// knows no HTTP, SQL or Redis; time, rules, calendar and directory are handed to it in Env.
package registry
