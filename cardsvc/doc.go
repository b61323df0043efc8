// Command cardsvc is the only program that speaks to card readers. `cardsvc serve` offers localapi on this machine's loopback to the kiosk and the issuing
// station; the other commands are for hands at a terminal.
//
// It must not import server, issuer or kiosk.
package main
