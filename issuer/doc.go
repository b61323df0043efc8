// Command issuer is the only program with keys that can make a card. It plans each personalisation from the server's order and drives the card over a connection
// that a station's cardsvc opens; keys never leave its folder.
//
//	internal/custody       keys in a folder
//	internal/journal       what was intended, durable before the first APDU
//	internal/perso         what to do with a card, and doing it
//	internal/station       the relay's HTTP endpoint
//	internal/housekeeping  certificates, status list, sealed reading keys, late reports
//
// It must not import kiosk, nor of server anything but api and registry.
package main
