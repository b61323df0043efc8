// Package units holds the pure rules of the register of schools and offices: opening, renaming (the code is kept), merging and closing (the code is void for ever),
// changing what a school offers or who is its authority (Arts 2, 3, 9).
//
// It decides over a directory and returns what to write and which bulk of pupils follows (registry.MoveCustody); it writes nothing and reads no clock.
package units
