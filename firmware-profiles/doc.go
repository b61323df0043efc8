// Package profiles loads and checks firmware profiles: YAML files that say how a card firmware is recognised and how it selects, creates, reads and writes.
// README.md beside this file teaches the language.
//
// It owns the language and the files shipped with it. It knows nothing of the student card's records (cardsvc/credential), sends nothing to a card
// (cardsvc/applet) and must not import another room. It reads files only through an fs.FS handed in.
package profiles
