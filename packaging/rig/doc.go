// Package rig is what tests over whole programs stand on: the four programs built and started as processes, a seeded register with an authority whose cards a
// test can make, kiosks that speak the wire, and staff at the console's forms.
//
// It owns processes, free ports and waiting. It imports no program's internals, knows no rule of the register and nothing of a particular test; tests in
// packaging alone import it. Everything it starts ends with the test, also when the test's process is killed.
package rig
